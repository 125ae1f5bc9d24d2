"""Builds dist/homeostat.zip, which Azure Functions runs as it is: no build happens in Azure.

- .funcignore says what is in it. Dependencies come from requirements.txt, for the platform that Functions runs on.
- Bytecode is compiled and marked unchecked. Deployment changes the files' times, which would make ordinary bytecode
  stale, and every cold start would compile the two big SDKs again: seconds, and hundreds of megabytes.
- Equal sources give an equal zip: files are sorted and carry one fixed time.
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
ZIP: Final = PROJECT / "dist" / "homeostat.zip"
DEPENDENCIES: Final = ".python_packages/lib/site-packages"
PLATFORM: Final = "x86_64-manylinux_2_28"
SPECS: Final = "specs"

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's first
_READABLE: Final = 0o644 << 16


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.package", description="Build the deployable zip.")
    parser.add_argument("--specs", type=Path, metavar="FOLDER", help="specs to deploy; else those of ./specs, if any")
    parser.add_argument("--out", type=Path, default=ZIP, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.specs and not arguments.specs.is_dir():
        print(f"package: {arguments.specs} is no folder", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="homeostat-package-") as folder:
        build(Path(folder), arguments.specs)
        write_zip(Path(folder), arguments.out)
    print(f"{os.path.relpath(arguments.out)}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def build(folder: Path, specs: Path | None = None) -> None:
    """Fills `folder` with all that is deployed. Raises CalledProcessError when a dependency cannot be had."""
    folder.mkdir(exist_ok=True)
    for name in deployed():
        source = specs if name == SPECS and specs else PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, folder / name)
    install(folder / DEPENDENCIES)
    compile_unchecked(folder)


def compile_unchecked(folder: Path) -> None:
    """Leaves bytecode beside every module that no change of a file's time can make stale."""
    compiled = compileall.compile_dir(
        folder, quiet=1, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, stripdir=str(folder)
    )
    if not compiled:
        raise SystemExit("package: a module does not compile")


def deployed() -> list[str]:
    """The names at the top of the package."""
    lines = (PROJECT / ".funcignore").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("!").strip("/") for line in lines if line.startswith("!")]


def install(site_packages: Path) -> None:
    """Fills `site_packages` with requirements.txt. Raises CalledProcessError when a dependency cannot be had."""
    uv = PROJECT / ".venv" / "bin" / "uv"
    options = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
    platform = ["--python-platform", PLATFORM, "--python-version", "3.13", "--python", sys.executable]
    requirements = ["--target", str(site_packages), "--requirements", str(PROJECT / "requirements.txt")]
    subprocess.run([uv, "pip", "install", *options, *platform, *requirements], check=True)
    shutil.rmtree(site_packages / "bin", ignore_errors=True)  # commands, whose first line names this machine's Python


def write_zip(folder: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
            info.external_attr, info.compress_type = _READABLE, zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
