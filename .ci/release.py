"""Build a release, try it in a bare environment of every supported Python, and say what to upload.

`make release` runs it. Each environment is made by pip in a temporary folder, with the newest versions
that the package allows, and removed again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SMALLEST, LARGEST = 100_000, 3_000_000
"""The plausible sizes of both files in bytes."""


def main(twine: str) -> int:
    """Build, check and try; return 1 if a Python is missing or anything fails."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    wheel, sdist = next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))
    run(twine, "check", "--strict", wheel, sdist)
    check_contents(wheel, sdist)
    missing = [version for version in PYTHONS if not try_in(version, wheel)]
    if missing:
        print(f"not tried, as they are not installed: Python {', '.join(missing)}")
        return 1
    print(f"ready: {twine} upload {wheel.relative_to(ROOT)} {sdist.relative_to(ROOT)}")
    return 0


def check_contents(wheel: Path, sdist: Path) -> None:
    """Check that the wheel holds the package alone, and the source archive neither results nor the site.

    Raises:
        SystemExit: One of them does not; the message says what.
    """
    inside = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in inside if ".dist-info/" not in name}
    if tops != {"avalanche_mas"}:
        sys.exit(f"{wheel.name} holds {', '.join(sorted(tops))}, not avalanche_mas alone")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    for made in ("/benchmarks/results/", "/docs/_build/"):
        if found := [name for name in names if made in name]:
            sys.exit(
                f"{sdist.name} holds {len(found)} files in {made.strip('/')}, such as {found[0]}"
            )
    for file in (wheel, sdist):
        size = file.stat().st_size
        print(f"{file.name}: {size / 1e6:.2f} MB")
        if not SMALLEST < size < LARGEST:
            sys.exit(f"{file.name} has {size} bytes, not between {SMALLEST} and {LARGEST}")


def try_in(version: str, wheel: Path) -> bool:
    """Run README's first example with the wheel in a new environment; return False without that Python."""
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "--version"], capture_output=True).returncode:
        return False
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "venv", f"{folder}/venv")
        own = f"{folder}/venv/bin/python"
        run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        example = Path(folder) / "example.py"
        example.write_text(first_example(), encoding="utf-8")
        said = run(own, "-I", example, cwd=folder)
        print(f"Python {version}: README's example printed\n{said}")
    return True


def first_example() -> str:
    """Return the first Python block of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        sys.exit("README.md has no Python block")
    return found[1]


def run(*command: object, cwd: str | Path = ROOT) -> str:
    """Run a command, show it, and return what it printed.

    Raises:
        SystemExit: It failed; what it printed is shown.
    """
    words = [str(word) for word in command]
    print("$", *(os.path.relpath(word, ROOT) if word.startswith("/") else word for word in words))
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        sys.exit(f"exit status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
