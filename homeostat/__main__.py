"""`python -m homeostat`."""

import sys

from homeostat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
