"""Looks with atheris for inputs that reach new code, and ends in failure at the first that breaks a promise.

    python -m tests.fuzz [TARGET] [--seconds N]

Without a target, each has its turn for so many seconds, in a process of its own. A target begins with its own seeds and
with what earlier runs found worth keeping, in `.cache/fuzz/TARGET`; the input that broke a promise is kept there as
well. It becomes a test by its own name, together with what repairs it. https://github.com/google/atheris
"""

import argparse
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

with atheris.instrument_imports(include=["homeostat", "remediators"]):
    from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from tests.fuzz.target import Target

CACHE: Final = Path(__file__).parents[2] / ".cache" / "fuzz"
MAX_INPUT: Final = 100_000
"""Bytes: more than the longest body that is let in."""

MEMORY_MB: Final = 2048
INPUT_SECONDS: Final = 30
"""What libFuzzer lets one input take, so that a promise of bounded time and memory can be broken too."""

_WORD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]{2,30}:?")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", choices=tuple(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target")
    options = parser.parse_args(arguments)
    if options.target:
        return _fuzz(TARGETS[options.target], options.seconds)
    for name in TARGETS:
        print(f"--- {name}, {options.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(options.seconds)]
        if (code := subprocess.run(command, check=False).returncode) != 0:
            return code
    return 0


def _fuzz(target: "Target", seconds: int) -> int:
    logging.disable()  # what an input makes Homeostat say is not looked at here
    corpus = _corpus(target)
    found = CACHE / target.name / "found-"
    limits = [f"-max_len={MAX_INPUT}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={INPUT_SECONDS}"]
    told = [f"-max_total_time={seconds}", f"-artifact_prefix={found}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *told, *_dictionary(corpus), str(corpus)], target.run)
    atheris.Fuzz()  # ends the process: with 0 when the time is up, else not
    return 1


def _corpus(target: "Target") -> Path:
    """The seeds as files, beside what earlier runs found worth keeping."""
    folder = CACHE / target.name / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folder / f"seed-{number:04}").write_bytes(seed)
    return folder


def _dictionary(corpus: Path) -> list[str]:
    """The option with the words of the seeds, so that a mutation can put a whole one in another's place."""
    texts = [seed.read_bytes() for seed in corpus.glob("seed-*")]
    words = {word.decode() for text in texts for word in _WORD.findall(text)}
    file = corpus.with_name("words")
    file.write_text("".join(f'"{word}"\n' for word in sorted(words)), encoding="ascii")
    return [f"-dict={file}"] if words else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
