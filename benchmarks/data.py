"""`python -m benchmarks data {list,check,show}`: which data there are, and how they look."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from avalanche_mas.streams import TASKS, Task, drawn
from avalanche_mas.streams.pictures import ArrayPicture, Picture
from avalanche_mas.streams.registry import (
    find_task,
    is_stand_in,
    locate,
    read_lists,
)
from avalanche_mas.streams.task import Reading, Sample, Sizes

DRAWN_SIZE = 64
"""Side in pixels at which drawn pictures are shown."""

TILE = 72
"""Side of one picture on a contact sheet, in pixels."""

COLUMNS = 3
"""Classes side by side on a contact sheet."""


def main(arguments: Sequence[str]) -> int:
    """List, check or show data sets; 0 if nothing is wrong, 1 if something is, 2 for bad usage."""
    options = _parser().parse_args(arguments)
    try:
        for name in options.stand_ins:
            find_task(name)
        status: int = options.run(options)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks data")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the eight data sets, and their state under --root")
    check = commands.add_parser("check", help="open every picture under --root")
    show = commands.add_parser("show", help="write a contact sheet of one task as PNG")
    listing.add_argument("--root", type=Path, help="folder in which the real data lie")
    check.add_argument("--root", type=Path, required=True, help="folder in which the real data lie")
    check.add_argument("tasks", nargs="*", metavar="TASK", help="default: those that are there")
    show.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    show.add_argument("--root", type=Path, help="folder of real data; without it, drawn pictures")
    show.add_argument("--out", type=Path, help="the PNG to write (default: TASK.png)")
    show.add_argument("--each", type=int, default=4, help="pictures of each class (default: 4)")
    for command, run in ((listing, _list), (check, _check), (show, _show)):
        command.set_defaults(run=run)
        command.add_argument(
            "--stand-ins",
            nargs="+",
            default=[],
            metavar="TASK",
            help="tasks whose pictures may be others in their place, also under ROOT/stand-ins",
        )
    return parser


def _list(options: argparse.Namespace) -> int:
    """Print the definitions, and the state of each under the root."""
    root: Path | None = options.root
    for task in TASKS.values():
        print(f"{task.name}: {task.title}, {task.num_classes} classes, {_sizes(task.sizes)}")
        for fact, value in (
            ("drawn", f"{len(drawn.CLASSES[task.name])} classes"),
            ("source", task.address),
            ("licence", task.licence),
            ("split", task.split),
            ("place", f"{root or 'ROOT'}/{task.folder}"),
        ):
            print(f"  {fact:8}{value}")
        if root is not None:
            print(f"  {'state':8}{state(task, root, task.name in options.stand_ins)}")
    return 0


def state(task: Task, root: Path, stand_in: bool = False) -> str:
    """One line on what lies under the root for a task; no more than a few pictures are opened."""
    try:
        locate(task, root, stand_in)
    except FileNotFoundError:
        return "absent"
    try:
        reading = read_lists(task, root, stand_in)
        stands_in = is_stand_in(task, reading, root, stand_in)
    except (FileNotFoundError, ValueError) as error:
        return f"not usable: {error}"
    sizes = _halved_sizes(reading)
    counts = f"{len(reading.classes)} classes, {_sizes(sizes)}"
    if stands_in:
        return f"STAND-IN: {counts}"
    if len(reading.classes) == task.num_classes and sizes == task.sizes:
        return f"as published: {counts}"
    return f"differs from the published sizes: {counts}"


def _check(options: argparse.Namespace) -> int:
    """Open every picture of the tasks; print all that is wrong."""
    root: Path = options.root
    tasks = [find_task(name) for name in options.tasks] or _present(root, options.stand_ins)
    wrong = 0
    for task in tasks:
        stand_in = task.name in options.stand_ins
        problems = check_task(task, root, stand_in)
        wrong += len(problems)
        if not problems:
            print(f"{task.name}: {state(task, root, stand_in)}; every picture opens", flush=True)
        for problem in problems:
            print(f"{task.name}: WRONG: {problem}", flush=True)
    return 1 if wrong else 0


def check_task(task: Task, root: Path, stand_in: bool = False) -> list[str]:
    """Everything that is wrong with the data of one task, a line each.

    Raises:
        FileNotFoundError: there is no folder of this task.
    """
    where = locate(task, root, stand_in)
    try:
        reading = task.read(where)
    except (FileNotFoundError, ValueError) as error:
        return [str(error)]
    found = (_damage(sample.picture) for sample in reading.train + reading.test)
    problems = [problem for problem in dict.fromkeys(found) if problem]
    if not problems:
        try:
            is_stand_in(task, reading, root, stand_in)
        except ValueError as error:
            return [str(error)]
    return problems


def _damage(picture: Picture) -> str:
    """What is wrong with a picture, or nothing."""
    try:
        picture.open()
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except ValueError as error:
        return str(error)
    return ""


def _present(root: Path, stand_ins: Sequence[str]) -> list[Task]:
    present = [t for t in TASKS.values() if state(t, root, t.name in stand_ins) != "absent"]
    if not present:
        raise FileNotFoundError(
            f"none of the data sets is in {root}; `python -m benchmarks data list` says where to "
            "get them"
        )
    return present


def _show(options: argparse.Namespace) -> int:
    """Write the contact sheet."""
    task = find_task(options.task)
    if options.each < 1:
        raise ValueError(f"--each must be at least 1, not {options.each}")
    samples: Sequence[Sample]
    if options.root is None:
        classes, samples = _drawn_samples(task)
    else:
        stand_in = task.name in options.stand_ins
        reading = read_lists(task, options.root, stand_in)
        is_stand_in(task, reading, options.root, stand_in)
        classes, samples = reading.classes, reading.train
    out: Path = options.out or Path(f"{task.name}.png")
    temporary = out.with_name(f".{out.name}.part")
    contact_sheet(classes, samples, options.each).save(temporary, format="PNG")
    temporary.replace(out)
    print(f"{out}: {len(classes)} classes, {options.each} pictures each")
    return 0


def contact_sheet(classes: Sequence[str], samples: Sequence[Sample], each: int) -> Image.Image:
    """The first pictures of every class in rows, each row under the name of its class."""
    label_height = 14
    width, height = each * TILE + 8, TILE + label_height
    rows = -(-len(classes) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(classes):
        left, top = number // rows * width, number % rows * height
        draw.text((left, top + 1), f"{number} {name}"[: width // 7], fill="black")
        chosen = [sample.picture for sample in samples if sample.label == number][:each]
        for i, picture in enumerate(chosen):
            tile = picture.open().resize((TILE - 2, TILE - 2), Image.Resampling.BILINEAR)
            sheet.paste(tile, (left + i * TILE, top + label_height))
    return sheet


def _drawn_samples(task: Task) -> tuple[tuple[str, ...], list[Sample]]:
    pixels, labels = drawn.draw(task.name, "train", size=DRAWN_SIZE)
    samples = [
        Sample(ArrayPicture(str(i), image), int(label))
        for i, (image, label) in enumerate(zip(pixels, labels, strict=True))
    ]
    return tuple(drawn.CLASSES[task.name]), samples


def _halved_sizes(reading: Reading) -> Sizes:
    valid = len(reading.test) // 2
    return Sizes(len(reading.train), valid, len(reading.test) - valid)


def _sizes(sizes: Sizes) -> str:
    return f"{sizes.train} train, {sizes.valid} validation, {sizes.test} test"
