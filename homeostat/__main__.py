"""`python -m homeostat`."""

import sys

INTERRUPTED = 130

if __name__ == "__main__":
    try:
        from homeostat.cli.main import main
        from homeostat.cli.output import make_safe

        make_safe()
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before there was a command that could be interrupted
        sys.exit(INTERRUPTED)
