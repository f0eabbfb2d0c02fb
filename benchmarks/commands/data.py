"""The command `data`: the data sets are listed, fetched, checked or shown."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avalanche_mas.streams import TASKS, TRANSFORMS, Task, find_task
from benchmarks.commands.parser import CommandError, Parser, positive
from benchmarks.data.check import Findings, check_task
from benchmarks.data.disk import FetchError
from benchmarks.data.fetch import fetch
from benchmarks.data.listing import listing
from benchmarks.data.show import sheet_of_all, sheet_of_task
from benchmarks.data.state import state
from benchmarks.record.files import write_atomically

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]

NAMES = ", ".join(TASKS)

SHEET_SIZE = 64
"""Side of the pictures on the sheet of all tasks."""


def main(arguments: Sequence[str]) -> int:
    """List, fetch, check or show data sets; return 0 if nothing is wrong, 1 if something is."""
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
        prog="python -m benchmarks data", description="The eight data sets of the sequence."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _list_parser(commands)
    _fetch_parser(commands)
    _check_parser(commands)
    _show_parser(commands)
    return parser


def _list_parser(commands: Commands) -> None:
    told = "sizes, licences and sources of the eight data sets, and their state under --root"
    command = commands.add_parser("list", help=told, description=told)
    command.set_defaults(run=_list)
    command.add_argument("--root", type=Path, help="folder in which the real data lie")
    _add_stand_ins(command)


def _fetch_parser(commands: Commands) -> None:
    command = commands.add_parser(
        "fetch",
        help="download data sets and unpack them",
        description="Download data sets, examine them and unpack them into the places that the "
        "readers look in. What was begun goes on, what is there is left as it is. Files that "
        "nobody offers any more are named: put into ROOT/downloads they are taken from there.",
    )
    command.set_defaults(run=_fetch)
    command.add_argument("tasks", nargs="*", metavar="TASK", help=f"{NAMES} (default: all)")
    command.add_argument("--root", type=Path, required=True, help="folder to bring the data to")
    command.add_argument(
        "--keep-archives", action="store_true", help="leave them in ROOT/downloads after unpacking"
    )


def _check_parser(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        help="open every picture under --root, and say what is wrong",
        description="Open every picture, and compare lists, files and the sums of what was "
        "fetched. WRONG has to be mended; a warning makes numbers doubtful; a note is harmless.",
    )
    command.set_defaults(run=_check)
    command.add_argument("tasks", nargs="*", metavar="TASK", help="default: those that are there")
    command.add_argument("--root", type=Path, required=True, help="folder in which the data lie")
    command.add_argument("--counts", action="store_true", help="list the pictures of every class")
    _add_stand_ins(command)


def _show_parser(commands: Commands) -> None:
    command = commands.add_parser(
        "show",
        help="write a contact sheet as PNG",
        description="Write a contact sheet of training pictures, under the names of their classes, "
        "as a network gets them in evaluation.",
    )
    command.set_defaults(run=_show)
    what = command.add_argument_group("what is shown")
    what.add_argument("task", nargs="?", metavar="TASK", help=NAMES)
    what.add_argument("--all", action="store_true", help="a dozen pictures of every task")
    what.add_argument("--root", type=Path, help="folder of real data; without it, drawn pictures")
    _add_stand_ins(what)
    sheet = command.add_argument_group("the sheet")
    sheet.add_argument("--out", type=Path, metavar="PNG", help="the file to write (TASK.png)")
    sheet.add_argument("--image-size", type=positive, metavar="PX", help="of a network's input")
    sheet.add_argument("--transforms", choices=TRANSFORMS, default="shift", help="(shift)")
    sheet.add_argument("--classes", type=positive, default=40, metavar="N", help="(40)")
    sheet.add_argument("--each", type=positive, default=4, metavar="N", help="of each class (4)")
    sheet.add_argument("--tile", type=positive, default=96, metavar="PX", help="on the sheet (96)")


def _add_stand_ins(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--stand-ins",
        nargs="+",
        default=[],
        metavar="TASK",
        help="tasks whose pictures may be others in their place, also under ROOT/stand-ins",
    )


def _list(options: argparse.Namespace) -> int:
    for line in listing(options.root, options.stand_ins):
        print(line)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    tasks = [TASKS[name] for name in dict.fromkeys(options.tasks)] or list(TASKS.values())
    outcomes = fetch(
        tasks, options.root, options.keep_archives, lambda line: print(line, flush=True)
    )
    if len(outcomes) > 1:
        print("\nIn short:")
        for outcome in outcomes:
            print(f"  {outcome.task:10}{outcome.told.splitlines()[0].rstrip(':')}")
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _check(options: argparse.Namespace) -> int:
    tasks = [TASKS[name] for name in options.tasks] or _present(options.root, options.stand_ins)
    wrong = 0
    for task in tasks:
        stand_in = task.name in options.stand_ins
        found = check_task(task, options.root, stand_in)
        wrong += len(found.wrong)
        if not found.wrong:
            told = state(task, options.root, stand_in).told
            print(f"{task.name}: {told}; every picture opens", flush=True)
        for line in _told(found, options.counts):
            print(f"{task.name}: {line}", flush=True)
    return 1 if wrong else 0


def _told(found: Findings, counts: bool) -> list[str]:
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
            f"none of the data sets is in {root}; `python -m benchmarks data fetch` brings them"
        )
    return present


def _show(options: argparse.Namespace) -> int:
    if options.all == (options.task is not None):
        raise ValueError(f"name one task to show, or say --all; the tasks are {NAMES}")
    if options.all:
        size = options.image_size or SHEET_SIZE
        sheet, told = sheet_of_all(options.root, options.stand_ins, size, size)
    else:
        sheet, told = sheet_of_task(
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
    print(f"{out}: {told}")
    return 0
