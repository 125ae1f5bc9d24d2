"""`python -m tests.fuzz TARGET [SECONDS]`: one target under atheris, which looks for inputs that reach new code.

It begins with the target's own seeds, and ends with 1 and the input that broke a promise, kept in `.cache/fuzz/TARGET`.
A found input becomes a seed of its target, or a test by its own name, together with what repairs it.
https://github.com/google/atheris
"""

import argparse
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

if TYPE_CHECKING:  # only what is imported under atheris is watched for coverage
    from tests.fuzz.target import Target

CACHE: Final = Path(__file__).parents[2] / ".cache" / "fuzz"
MAX_INPUT: Final = 100_000
"""Bytes: more than the longest body that is let in."""

_WORD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]{2,30}:?")

MEMORY_MB: Final = 2048
INPUT_SECONDS: Final = 30
"""What libFuzzer lets one input take, so that a promise of bounded time and memory can be broken too."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=("events", "http", "specs", "answers", "facts"))
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    options = parser.parse_args(arguments)
    with atheris.instrument_imports(include=["homeostat", "remediators"]):
        from tests.fuzz.targets import TARGETS
    logging.disable()  # what an input makes Homeostat say is not looked at here
    target = TARGETS[options.target]
    corpus = _corpus(target)
    found = CACHE / target.name / "found-"
    limits = [f"-max_len={MAX_INPUT}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={INPUT_SECONDS}"]
    told = [f"-max_total_time={options.seconds}", f"-artifact_prefix={found}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *told, *_dictionary(corpus), str(corpus)], target.run)
    atheris.Fuzz()


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
    main(sys.argv[1:])
