"""The readers of files, each with good files to read."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avalanche.training import Naive
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.importance import Importance, global_importance
from avalanche_mas.models import multi_head
from avalanche_mas.streams import TASKS, FilePicture, TaskBenchmark, read_lists, task_stream
from avalanche_mas.tensor_files import read_tensors
from benchmarks.commands.fuzz.labels import write_labels
from benchmarks.commands.tensors import stream_of_tensors
from benchmarks.data.record import RECORD, SUMS, read_record, read_sums
from benchmarks.data.unpack import unpack
from benchmarks.experiments.digits.mnist import read_mnist
from benchmarks.record.files import RESULTS, read_json, write_json
from benchmarks.record.schema import CONFIG, OMEGA, RESULT, VERSIONS
from benchmarks.report import print_report
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.provenance import provenance
from benchmarks.run.training.weights import load_weights


@dataclass(frozen=True)
class Reader:
    """A kind of files, and how they are read.

    Attributes:
        write: Writes good files into an empty folder.
        read: Reads them, and returns what they mean, which can be compared.
        damaged: The files to damage, as a pattern below the folder.
        sure: Whether any change of what they mean must be noticed.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    damaged: str = "**/*"
    sure: bool = False


def _network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))


def _save_importance(folder: Path) -> None:
    network = _network()
    global_importance(network, [torch.eye(3)[:, None]]).save(folder / "omega.safetensors")


def _without_digests(write: Callable[[Path], Any], folder: Path) -> None:
    """Write files as earlier versions did, so that damage reaches what reads their content."""
    write(folder)
    for file in folder.rglob("*.safetensors"):
        tensors, texts = read_tensors(file)
        save_file(tensors, file, texts)


def _load_importance(folder: Path) -> Any:
    omega = Importance.load(folder / "omega.safetensors", _network())
    return _lists(omega), omega.samples, omega.measure, omega.fingerprint


def _lists(tensors: Any) -> dict[str, Any]:
    return {name: each.tolist() for name, each in tensors.items() if isinstance(each, Tensor)}


def _go_on(folder: Path) -> Any:
    """Begin, or go on from a checkpoint, and return the state after the experience."""
    model = multi_head(_network())
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    kept = Checkpoints(folder / "checkpoints", every_steps=1, keep=1)
    mas = MASPlugin(1.0)
    strategy = Naive(model=model, optimizer=optimizer, plugins=[mas, kept], evaluator=None)
    experience = next(kept.remaining(strategy, _stream().train_stream))
    strategy.train(experience)
    return (
        experience.current_experience,
        _lists(model.state_dict()),
        _lists(mas.state_dict()),
    )


def _stream() -> TaskBenchmark:
    x = torch.randn(4, 1, 3, generator=torch.Generator().manual_seed(1))
    return stream_of_tensors([(x, torch.arange(4) % 2)] * 2, "task")


_DECISION = {
    "tasks": ["flowers"],
    "learning_rate": 0.1,
    "strength": 1.0,
    "best_accuracy": 0.5,
    "enough": 0.4,
    "reached": True,
    "trials": [{"learning_rate": 0.1, "strength": 1.0, "accuracy": 0.5}],
}


def _copy_run(run: str, folder: Path) -> None:
    """Copy a recorded run, with a decision as well."""
    for name in (CONFIG, VERSIONS, RESULT, OMEGA):
        if (RESULTS / run / name).is_file():
            shutil.copy(RESULTS / run / name, folder)
    tasks = read_json(folder / CONFIG)["tasks"]
    decisions = [{**_DECISION, "tasks": [task]} for task in tasks]
    write_json(folder / RESULT, {**read_json(folder / RESULT), "decisions": decisions})


def _report(folder: Path) -> str:
    """Return all tables of a report."""
    printed = io.StringIO()
    print_report([folder], stream=printed)
    print_report([folder], folder / "report", formats=["markdown", "csv", "latex"], stream=printed)
    tables = [table for page in pages(read_runs([folder])) for table in provenance(page)]
    return printed.getvalue().replace(str(folder), "") + str(tables)


def _read_labels(name: str, folder: Path) -> Any:
    reading = read_lists(TASKS[name], folder, stand_in=True)
    parts = [[(each.picture.name, each.label) for each in s] for s in (reading.train, reading.test)]
    return reading.classes, parts, reading.left_out


def _open_picture(suffix: str, folder: Path) -> bytes:
    return FilePicture("one", folder / f"one{suffix}").open().tobytes()


def _save_picture(suffix: str, folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(folder / f"one{suffix}")


def _cached(folder: Path) -> Any:
    root, cache = folder / "root", folder / "cache"
    found = task_stream(["svhn"], root, stand_ins=["svhn"], image_size=16, cache=cache)
    return [(x.tolist(), int(y)) for x, y, *_ in found.test_stream[0].dataset]


def _write_cache(folder: Path) -> None:
    write_labels("svhn", folder / "root")
    _cached(folder)


def _write_fetched(folder: Path) -> None:
    task = folder / TASKS["svhn"].folder
    entry = {"file": "a.tar", "place": "b", "size": 3, "sha256": "0" * 64, "fetched": ""}
    write_json(task / RECORD, [entry])
    (task / SUMS).write_text(f"{'0' * 64}  svhn/a\n{'1' * 64}  svhn/b\n")


def _read_fetched(folder: Path) -> Any:
    return read_record(TASKS["svhn"], folder), list(read_sums(TASKS["svhn"], folder))


_MEMBERS = {"d/one.jpg": b"picture" * 200, "d/zwei ü.txt": bytes(range(256)), "three": b""}


def _pack(mode: str, folder: Path) -> None:
    if mode == "zip":
        with zipfile.ZipFile(folder / "archive", "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in _MEMBERS.items():
                packed.writestr(name, content)
        return
    packing: Any = f"w:{mode}"
    with tarfile.open(folder / "archive", packing) as archive:
        for name, content in _MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _unpack(folder: Path) -> Any:
    (folder / "out").mkdir()
    found = unpack(folder / "archive", folder / "out")
    return found.files, found.links


def _write_digits(packed: bool, folder: Path) -> None:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        images, labels = np.zeros((20, 4, 4), np.uint8), np.arange(20, dtype=np.uint8) % 10
        for name, values in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            sizes = np.array(values.shape, ">i4").tobytes()
            content = bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes()
            file = raw / f"{name}-ubyte{'.gz' * packed}"
            file.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def _read_digits(folder: Path) -> Any:
    parts = read_mnist(folder).parts
    return {name: (each.images.tolist(), each.labels.tolist()) for name, each in parts.items()}


def _load_weights(folder: Path) -> Any:
    network = _network()
    load_weights(network, folder / "weights.pth", "the network")
    return _lists(network.state_dict())


def _save_weights(folder: Path) -> None:
    torch.save(_network().state_dict(), folder / "weights.pth")


_RUNS = (
    "sequence/eight-tasks/l-mas/seed0",
    "adaptation/adaptation/mas/subset/strength-x1/seed1",
    "local-vs-global/local-vs-global/fine-tuning/seed0",
)
_LABELS = "**/*.[tmx]*"  # not the pictures

READERS = {
    "Ω": Reader(_save_importance, _load_importance, sure=True),
    "Ω, no digest": Reader(partial(_without_digests, _save_importance), _load_importance),
    "checkpoint": Reader(_go_on, _go_on, sure=True),
    "checkpoint, no digest": Reader(partial(_without_digests, _go_on), _go_on),
    "weights of torchvision": Reader(_save_weights, _load_weights),
    **{
        f"run folder of {run.split('/')[0]}": Reader(partial(_copy_run, run), _report)
        for run in _RUNS
    },
    "picture, JPEG": Reader(partial(_save_picture, ".jpg"), partial(_open_picture, ".jpg")),
    "picture, PNG": Reader(partial(_save_picture, ".png"), partial(_open_picture, ".png")),
    "cache of pictures": Reader(_write_cache, _cached, "cache/*", sure=True),
    **{
        f"labels of {task.title}": Reader(
            partial(write_labels, name), partial(_read_labels, name), _LABELS
        )
        for name, task in TASKS.items()
    },
    "MNIST": Reader(partial(_write_digits, False), _read_digits),
    "MNIST, compressed": Reader(partial(_write_digits, True), _read_digits),
    "record of what was fetched": Reader(_write_fetched, _read_fetched),
    **{
        f"archive, {kind}": Reader(partial(_pack, mode), _unpack)
        for kind, mode in (("tar", ""), ("tar.gz", "gz"), ("tar.xz", "xz"), ("zip", "zip"))
    },
}
"""The readers by what they read."""
