"""The command `data`: list, fetch, check or show the data sets."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from avalanche_mas.streams import TASKS, TRANSFORMS, Task, find_task
from benchmarks.commands.parser import CommandError, Parser, positive
from benchmarks.data.check import Findings, check_task
from benchmarks.data.disk import FetchError
from benchmarks.data.fetch import fetch
from benchmarks.data.listing import listing
from benchmarks.data.show import sheet_of_all, sheet_of_task
from benchmarks.data.state import state
from benchmarks.record.files import write_atomically
from benchmarks.record.visible import visible

NAMES = ", ".join(TASKS)

SHEET_SIZE = 64
"""The side in pixels of the pictures on the sheet of all tasks."""


def main(arguments: Sequence[str]) -> int:
    """List, fetch, check or show data sets; return 1 if something is wrong, else 0."""
    options = _parser().parse_args(arguments)
    for name in (*getattr(options, "stand_ins", ()), *getattr(options, "tasks", ())):
        find_task(name)
    try:
        status: int = options.run(options)
    except FetchError as error:
        raise CommandError(str(error)) from error
    return status


def _parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks data",
        description="List, fetch, check and show the eight data sets of the sequence.",
    )
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    root, real, stand_ins = (Parser(add_help=False) for _ in range(3))
    where, place = root.add_argument_group("data"), real.add_argument_group("data")
    where.add_argument("--root", type=Path, help="the folder of real data (default: none)")
    place.add_argument("--root", type=Path, required=True, help="the folder of real data")
    stand_ins.add_argument_group("data").add_argument(
        "--stand-ins",
        nargs="+",
        default=[],
        metavar="TASK",
        help="tasks that may use other pictures in place of the real ones, such as those in "
        "ROOT/stand-ins",
    )

    says = "list sizes, licences and sources of the data sets, and their state under --root"
    command = add("list", help=says, description=says, parents=[root, stand_ins])
    command.set_defaults(run=_list)

    command = add(
        "fetch",
        help="download and unpack data sets",
        description="Download data sets, verify them and unpack them. The command resumes "
        "unfinished downloads and keeps what is there. It names files that are no longer offered "
        "anywhere; put them into ROOT/downloads, and it takes them from there.",
        parents=[real],
    )
    command.set_defaults(run=_fetch)
    command.add_argument("tasks", nargs="*", metavar="TASK", help=f"{NAMES} (default: all)")
    command.add_argument_group("archives").add_argument(
        "--keep-archives", action="store_true", help="keep the archives in ROOT/downloads"
    )

    command = add(
        "check",
        help="open every picture under --root, and report what is wrong",
        description="Open every picture, and verify lists, files and the checksums of what was "
        "fetched. WRONG must be fixed; a warning makes numbers doubtful; a note is harmless.",
        parents=[real, stand_ins],
    )
    command.set_defaults(run=_check)
    command.add_argument("tasks", nargs="*", metavar="TASK", help="(default: those under --root)")
    command.add_argument_group("output").add_argument(
        "--counts", action="store_true", help="count the pictures of every class"
    )

    command = add(
        "show",
        help="draw a contact sheet as a PNG file",
        description="Draw a contact sheet of training pictures below the names of their classes, "
        "as a network gets them in evaluation.",
        parents=[root, stand_ins],
    )
    command.set_defaults(run=_show)
    what = command.add_argument_group("content")
    what.add_argument("task", nargs="?", metavar="TASK", help=NAMES)
    what.add_argument("--all", action="store_true", help="a dozen pictures of every task")
    sheet = command.add_argument_group("sheet").add_argument
    sheet("--out", type=Path, metavar="PNG", help="the file to write (default: TASK.png)")
    sheet("--image-size", type=positive, metavar="PX", help="the side of a network's input")
    sheet(
        "--transforms", choices=TRANSFORMS, default="shift", help="of the images (default: shift)"
    )
    sheet("--classes", type=positive, default=40, metavar="N", help="(default: 40)")
    sheet("--each", type=positive, default=4, metavar="N", help="pictures per class (default: 4)")
    sheet("--tile", type=positive, default=96, metavar="PX", help="a picture's side (default: 96)")
    return parser


def _list(options: argparse.Namespace) -> int:
    if options.root is not None and not options.root.is_dir():
        _say(f"{options.root} is no folder yet; data fetch makes it")
    for line in listing(options.root, options.stand_ins):
        _say(line)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    tasks = [TASKS[name] for name in dict.fromkeys(options.tasks)] or list(TASKS.values())
    outcomes = fetch(tasks, options.root, options.keep_archives, _say)
    if len(outcomes) > 1:
        print("\nSummary:")
        for outcome in outcomes:
            _say(f"  {outcome.task:10}{outcome.message.splitlines()[0].rstrip(':')}")
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _check(options: argparse.Namespace) -> int:
    tasks = [TASKS[name] for name in options.tasks] or _present(options.root, options.stand_ins)
    wrong = 0
    for task in tasks:
        stand_in = task.name in options.stand_ins
        found = check_task(task, options.root, stand_in)
        wrong += len(found.wrong)
        if not found.wrong:
            message = state(task, options.root, stand_in).message
            _say(f"{task.name}: {message}; every picture opens")
        for line in _lines(found, options.counts):
            _say(f"{task.name}: {line}")
    return 1 if wrong else 0


def _lines(found: Findings, counts: bool) -> list[str]:
    lines = [f"WRONG: {line}" for line in found.wrong]
    lines += [f"warning: {line}" for line in found.warnings]
    lines += [f"note: {line}" for line in found.notes]
    if counts:
        lines += [f"{name}: {train} training, {test} test" for name, train, test in found.counts]
    return lines


def _present(root: Path, stand_ins: Sequence[str]) -> list[Task]:
    present = [task for task in TASKS.values() if state(task, root, task.name in stand_ins).present]
    if not present:
        raise FileNotFoundError(
            f"none of the data sets is in {root}; `python -m benchmarks data fetch` downloads them"
        )
    return present


def _show(options: argparse.Namespace) -> int:
    if options.all == (options.task is not None):
        raise ValueError(f"name one task to show, or say --all; the tasks are {NAMES}")
    if options.all:
        size = options.image_size or SHEET_SIZE
        sheet, description = sheet_of_all(options.root, options.stand_ins, size, size)
    else:
        sheet, description = sheet_of_task(
            find_task(options.task),
            options.root,
            options.task in options.stand_ins,
            classes=options.classes,
            each=options.each,
            image_size=options.image_size,
            transforms=options.transforms,
            tile=options.tile,
        )
    out: Path = options.out or Path(f"{options.task or 'tasks'}.png")
    content = io.BytesIO()
    sheet.save(content, format="PNG", optimize=True)
    write_atomically(out, content.getvalue())
    _say(f"{out}: {description}")
    return 0


def _say(line: str) -> None:
    print(visible(line), flush=True)
