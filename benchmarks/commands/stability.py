"""MAS over six orders of magnitude of λ: its penalty damped or explicit, with clipping and without.

`python -m benchmarks.commands.stability` runs the eight tasks once for each, on validation data and with
the seed of tuning, and records the outcome in `benchmarks/results/stability`. A run that stops because
training breaks belongs to the outcome. `--root DIR` takes real data; `--collect` runs nothing.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands.parser import Parser
from benchmarks.commands.plan import TUNING_SEED
from benchmarks.record.files import RESULTS, read_json, write_json
from benchmarks.record.folders import distinct, last_error, stopped
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.report.pages.stability import FORMS, Form

STRENGTHS = {
    "drawn": (
        *("0.001", "0.00316", "0.01", "0.0316", "0.1", "0.316", "1"),
        *("3.16", "10", "31.6", "100", "316", "1000"),
    ),
    "real": ("0.001", "0.01", "0.1", "1", "10", "100", "1000"),
}
"""The grid: steps of √10 on drawn images, of 10 on real ones."""


def main(arguments: Sequence[str]) -> int:
    """Run what has not been run, and record the outcome."""
    parser = Parser(prog="python -m benchmarks.commands.stability")
    parser.add_argument("--root", type=Path, help="the folder with the real data sets")
    parser.add_argument("--tasks", nargs="+", help="the tasks, in order (default: all eight)")
    parser.add_argument("--output", type=Path, help="the runs (default: runs/stability/SOURCE)")
    parser.add_argument("--collect", action="store_true", help="run nothing, record finished runs")
    options = parser.parse_args(arguments)
    source = "drawn" if options.root is None else "real"
    output: Path = options.output or Path("runs/stability") / source
    if not options.collect:
        data = [] if options.root is None else ["--root", str(options.root)]
        data += ["--tasks", *options.tasks] if options.tasks else []
        for form in FORMS:
            _run(form, data, STRENGTHS[source], output)
    runs = list(outcomes(output))
    if not runs:
        print(f"{output} has no runs; leave out --collect", file=sys.stderr)
        return 1
    versions = distinct([read_json(file) for file in sorted(output.rglob(VERSIONS))])
    record = RESULTS / "stability" / f"{source}.json"
    write_json(record, {"runs": runs, "versions": versions})
    print(record)
    return 0


def _run(form: Form, data: Sequence[str], grid: Sequence[str], output: Path) -> None:
    from benchmarks.commands.run import main as run

    run(
        [
            *("eight-tasks", "--methods", "mas", "--lambda", *grid, *data),
            *("--penalty", form.penalty, "--gradient-clip", str(form.clip).lower()),
            *("--seeds", f"{TUNING_SEED},", "--evaluate-on", "valid"),
            *("--output", str(output / f"{form.penalty}-{form.clip}")),
        ]
    )


def outcomes(output: Path) -> Iterator[dict[str, Any]]:
    """Yield the outcome of each run below a folder, by form and strength; accuracies are in [0, 1].

    A run that is not finished, or failed for another reason than its training, is named and left out.
    """
    found = [(read_json(file), file.parent) for file in output.rglob(CONFIG)]
    found.sort(
        key=lambda pair: (pair[0]["penalty"], str(pair[0]["gradient_clip"]), pair[0]["strength"])
    )
    for config, folder in found:
        names = ("penalty", "gradient_clip", "strength", "seed", "tasks", "model", "learning_rate")
        about = {name: config[name] for name in names}
        if (folder / RESULT).is_file():
            result = read_json(folder / RESULT)
            yield {
                **about,
                "accuracy": statistics.fmean(result["accuracy"][-1]),
                "learned": statistics.fmean(row[k] for k, row in enumerate(result["accuracy"])),
                "clipped": result.get("clipped"),
            }
        elif stopped(folder):
            yield {**about, "accuracy": None, "stopped": last_error(folder)}
        else:
            why = last_error(folder) or "not finished"
            print(f"{folder} is left out: {why}; leave out --collect to run it", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
