"""`--dry-run`: what `run` and `tune` would do, in words, without doing any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchmarks.commands.estimate import Costs, measured, recorded, work_of
from benchmarks.commands.options import Options
from benchmarks.commands.strengths import TRAINING
from benchmarks.engines.machine import shared_out
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import method_named
from benchmarks.record.folders import unlike
from benchmarks.record.imported import is_path
from benchmarks.record.schema import RESULT
from benchmarks.record.settings import Settings
from benchmarks.run.names import title_of

Runs = Sequence[tuple[Settings, Path]]
Key = TypeVar("Key")

_SHOWN = (*TRAINING, "choose", "device")

NATIVE = {"svhn": 32}
"""The side in pixels of data sets whose pictures are small; they are kept as they are."""


class Data(NamedTuple):
    """The data of a task.

    Their classes, their images for training, validation and test, where these are from, and whether
    they are there.
    """

    classes: int
    sizes: tuple[int, int, int]
    origin: str
    there: bool = True


def show(options: Options, runs: Runs) -> int:
    """Print what would be done, and an estimate of its hours and memory; return 0."""
    print("loading PyTorch and Avalanche ...", flush=True)
    data = data_of(options, [run for run, _ in runs])
    left = [(run, folder) for run, folder in runs if not _done(run, folder)]
    for line in lines(options, runs, data):
        print(line)
    if not left:
        print("nothing is left to do")
        return 0
    unfinished = [run for run, _ in left]
    costs = _costs(options, unfinished, data)
    said = (costs,) if isinstance(costs, str) else estimates(options, unfinished, data, costs)
    for line in (*said, *missing(options, data), *conflicts(runs)):
        print(line)
    return 0


def lines(options: Options, runs: Runs, data: dict[str, Data]) -> Iterator[str]:
    """Yield the plan: the recipe, the data, and the runs of each sequence of tasks."""
    first = runs[0][0]
    done = sum(_done(run, folder) for run, folder in runs)
    yield f"{first.experiment}: {_runs(len(runs))}, {done} of them finished"
    if first.protocol is not None:
        yield f"protocol: {first.protocol}"
    recipe = {name: getattr(first, name) for name in _SHOWN}
    shown = {n: v for n, v in recipe.items() if v is not None or n == "gradient_clip"}
    yield f"initial weights: {_weights(options, first.model)}"
    yield "training: " + ", ".join(f"{n.replace('_', ' ')} {_plain(v)}" for n, v in shown.items())
    place = "" if options.root is None else f", in {options.root}"
    yield f"data: {first.source} images{place}"
    for task, one in data.items():
        train, valid, test = one.sizes
        sizes = f"{train} train, {valid} validation, {test} test"
        origin = f" ({one.origin})" if one.origin else ""
        yield f"  {task}: {one.classes} classes, {sizes}{origin}"
    for tasks, sequence in _groups(runs, lambda run, _: run.tasks).items():
        yield " → ".join(tasks or data)
        for folder, group in _groups(sequence, lambda _, folder: folder.parent).items():
            yield from _same(folder, group)


def missing(options: Options, data: dict[str, Data]) -> Iterator[str]:
    """Yield what the runs need and is not there, with the way to get it."""
    root, absent = options.root, [task for task, one in data.items() if not one.there]
    if root is not None and not root.is_dir():
        yield f"MISSING: the folder --root {root}; sizes above are official ones"
    if absent:
        yield (
            f"MISSING: the data of {', '.join(absent)}; python -m benchmarks data fetch "
            f"{' '.join(absent)} --root {root} gets what is still offered"
        )
    if options.weights not in ("auto", "none") and not Path(options.weights).is_file():
        yield f"MISSING: the weights, --weights {options.weights}"


def conflicts(runs: Runs) -> Iterator[str]:
    """Yield what keeps the command from beginning: folders that hold other runs."""
    found = [other for run, folder in runs if (other := unlike(folder, run, planned=True))]
    if found:
        names = ", ".join(dict.fromkeys(name for other in found for name in other))
        yield (
            f"CONFLICT: {len(found)} of the folders hold other runs ({names}); choose another "
            "--output, or repeat those runs as they were"
        )


def _done(run: Settings, folder: Path) -> bool:
    return (folder / RESULT).is_file() and not unlike(folder, run, planned=True)


def _weights(options: Options, model: str) -> str:
    """Return what networks start from, in words."""
    from benchmarks.run.training.models import model_named
    from benchmarks.run.training.weights import found_weights

    if is_path(model):
        return f"those that {model} gives it"
    pretrained = model_named(model).pretrained
    if pretrained is None or options.weights == "none":
        return "random"
    if options.weights != "auto":
        return options.weights
    found = found_weights(model, options.root)
    return str(found or f"torchvision's {pretrained.name}, which a run will download")


def _groups(runs: Runs, key: Callable[[Settings, Path], Key]) -> dict[Key, Runs]:
    groups: dict[Key, list[tuple[Settings, Path]]] = {}
    for run, folder in runs:
        groups.setdefault(key(run, folder), []).append((run, folder))
    return dict(groups)


def _same(folder: Path, group: Runs) -> Iterator[str]:
    """Yield a line for runs that differ in their seeds only, and one for each folder in the way."""
    first = group[0][0]
    done = sum(_done(run, one) for run, one in group)
    name = title_of(first).removesuffix(f", seed {first.seed}").removeprefix(" ".join(first.tasks))
    origin = f", λ from {first.strength_from}" if first.strength_from else ""
    seeds = ", ".join(str(run.seed) for run, _ in group)
    finished = f"{done} of {_runs(len(group))} finished"
    yield f"  {name.removeprefix(', ')}{origin}; seeds {seeds}; {finished}; in {folder}"
    for run, one in group:
        if other := unlike(one, run, planned=True):
            yield f"    {one} holds another run ({', '.join(other)})"


def estimates(
    options: Options, runs: Sequence[Settings], data: dict[str, Data], costs: Costs
) -> Iterator[str]:
    """Yield the hours and the memory of the runs that are left."""
    at_once, _ = _parallel(options, len(runs))
    # Runs that share one GPU are no quicker for it.
    faster = 1 if options.device == "cuda" and options.engine == "local" else at_once
    low, high = (
        [costs.seconds(run, work_of(run, _sizes(run, data), most=most)) / 3600 for run in runs]
        for most in (False, True)
    )
    yield f"time: {costs.source}"
    by_method = sorted(zip(runs, low, high, strict=True), key=lambda row: row[0].method)
    for method, rows in groupby(by_method, lambda row: row[0].method):
        _, least, most = zip(*rows, strict=True)
        yield f"  {method}: {_hours(sum(least), sum(most))} for {_runs(len(least))}"
    early = "; early stopping takes less" if runs[0].patience is not None else ""
    yield (
        f"  together {_hours(sum(low), sum(high))}; {at_once} at a time: "
        f"{_hours(sum(low) / faster, sum(high) / faster)}. Other work of methods, such as a "
        f"teacher's outputs or Fisher information, and checkpoints are not in it{early}"
    )
    if costs.memory is None:
        yield "memory: not recorded"
        return
    ewc = any(run.method in ("ewc", "ewc-repaired") for run in runs)
    size = f"{(costs.network or 0) / 1e6:.0f} MB"
    yield (
        f"memory: {costs.memory / 1e9:.1f} GB a run with MAS, of which {at_once} at a time, and more while "
        f"checkpoints are written; about {_pixels(options, runs[0], data) / 1e9:.1f} GB for all images, "
        "which the runs share" + f"; EWC keeps two networks of {size} per task" * ewc
    )


def _costs(options: Options, runs: Sequence[Settings], data: dict[str, Data]) -> Costs | str:
    """Return what the parts of a run cost, or why that is unknown."""
    import torch

    run = runs[0]
    if run.device == "cuda" and not torch.cuda.is_available():
        return recorded(run) or (
            f"time and memory: unknown; this machine has no GPU, and benchmarks/results has no GPU "
            f"steps of {run.model} at {run.image_size} px in batches of {run.batch_size}: repeat the "
            "dry run where the GPU is"
        )
    print("measuring some steps, in less than a minute ...", flush=True)
    shape, load = _images(options, run)
    classes = max(one.classes for one in data.values())
    forms = dict.fromkeys(method_named(one.method).measures for one in runs)
    return measured(
        run,
        shape,
        classes,
        [form for form in forms if form],
        load,
        _parallel(options, len(runs))[1],
    )


def _images(options: Options, run: Settings) -> tuple[tuple[int, int, int], Any]:
    """Return the shape of an image, and what loads a number of them."""
    import torch

    from avalanche_mas.streams import IMAGE_SIZES, IMAGENET, task_transforms
    from benchmarks.run.data import stream_of

    if not EXPERIMENTS[run.experiment].of_images:
        part = stream_of(run, options.root).train_stream[0].dataset
        return tuple(part[0][0].shape), lambda count: [part[k % len(part)] for k in range(count)]
    side = run.image_size or IMAGE_SIZES[run.source]
    how = task_transforms(run.transforms or "shift", side, IMAGENET, augment=True, flip=True)
    pixels = torch.zeros(3, how.geometry.side, how.geometry.side, dtype=torch.uint8)
    return (3, side, side), lambda count: torch.stack([how.train(pixels) for _ in range(count)])


def _parallel(options: Options, runs: int) -> tuple[int, int]:
    """Return how many runs go at a time, and their threads. A cluster's size is not known here."""
    if options.engine == "ray":
        return options.jobs or 1, options.threads or 1
    return shared_out(runs, options.jobs, options.threads)


def data_of(options: Options, runs: Sequence[Settings]) -> dict[str, Data]:
    """Return the data of each task; no image of the eight data sets is read or drawn for it."""
    from benchmarks.run.data import stream_of

    if not EXPERIMENTS[runs[0].experiment].of_images:
        streams = [stream_of(run, options.root) for run in runs]
        known = {task.name: task for stream in streams for task in stream.tasks}
        return {
            name: Data(len(task.classes), task.sizes, task.agreement)
            for name, task in known.items()
        }
    names = dict.fromkeys(task for run in runs for task in run.tasks)
    return {name: _data(name, options) for name in names}


def _data(name: str, options: Options) -> Data:
    from avalanche_mas.streams import TASKS, drawn, read_lists
    from benchmarks.data.state import halved_sizes

    task = TASKS[name]
    if options.root is None:
        count = len(drawn.CLASSES[name])
        train, valid, test = (count * drawn.IMAGES_PER_CLASS[p] for p in ("train", "valid", "test"))
        return _some(Data(count, (train, valid, test), "drawn"), options)
    try:
        reading = read_lists(task, options.root, name in options.stand_ins)
    except (FileNotFoundError, ValueError) as error:
        origin = f"official sizes, as {error}" if options.root.is_dir() else "official sizes"
        return _some(Data(task.num_classes, task.sizes, origin, there=False), options)
    count, sizes = len(reading.classes), halved_sizes(reading)
    return _some(Data(count, sizes, task.agreement(count, sizes)), options)


def _some(data: Data, options: Options) -> Data:
    """Return about what is left of the data if only some classes or images are used."""
    count = min(data.classes, options.classes or data.classes)
    train, valid, test = (round(size * count / data.classes) for size in data.sizes)
    if options.images_per_class is not None:
        train = min(train, count * options.images_per_class)
    origin = data.origin if count == data.classes else f"of {data.classes} classes; {data.origin}"
    return Data(count, (train, valid, test), origin, data.there)


def _sizes(run: Settings, data: dict[str, Data]) -> list[tuple[int, int, int]]:
    return [data[task].sizes for task in run.tasks or data]


def _pixels(options: Options, run: Settings, data: dict[str, Data]) -> int:
    """Return about how many bytes the images take that are kept in memory."""
    side = run.image_size
    if options.cache != "memory" or side is None:
        return 0
    kept = round(side * 256 / 224) if run.transforms == "paper" else side
    small = NATIVE if run.source == "real" else {}
    sides = {task: min(kept, small.get(task, kept)) for task in data}
    return sum(3 * sides[task] ** 2 * sum(one.sizes) for task, one in data.items())


def _runs(count: int) -> str:
    return f"{count} run{'s'[: count != 1]}"


def _hours(least: float, most: float) -> str:
    def short(hours: float) -> str:
        return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"

    return short(most) if f"{least:.4g}" == f"{most:.4g}" else f"{short(least)} to {short(most)}"


def _plain(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
