"""Run the tutorials, each in a fresh process and an empty folder: `python .ci/notebooks.py [NAME ...]`.

The outputs are written into the notebooks, without anything that says when or where they were made.
With `--output DIR` copies are written there instead. It needs nbclient and ipykernel.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(file: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a run from its first cell to its last."""
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=600, record_timing=False, resources=where)
        client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def main() -> None:
    """Run the notebooks that the command line names, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as what_omega_sees; default: all")
    parser.add_argument("--output", type=Path, default=TUTORIALS, help="default: in place")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    for name in options.names or sorted(file.stem for file in TUTORIALS.glob("*.ipynb")):
        notebook = executed(TUTORIALS / f"{name}.ipynb")
        nbformat.write(notebook, options.output / f"{name}.ipynb")


if __name__ == "__main__":
    main()
