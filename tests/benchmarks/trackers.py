"""What trackers hold of a run, read from their own formats as (step, name) → values."""

from __future__ import annotations

import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from avalanche_mas.logging.history import read_records
from benchmarks.record.schema import EVENTS, METRICS

Values = dict[tuple[int, str], list[float]]


def in_table(folder: Path) -> Values:
    """Return what the table of a run folder holds."""
    found: Values = defaultdict(list)
    with (folder / METRICS).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[int(row["step"]), row["name"]].append(float(row["value"]))
    return dict(found)


def in_events(folder: Path) -> Values:
    """Return the scalars that TensorBoard shows of a run folder, in float32."""
    reader = _reader(folder)
    found: Values = defaultdict(list)
    for name in reader.Tags()["scalars"]:
        for event in reader.Scalars(name):
            found[event.step, name].append(event.value)
    return dict(found)


def media_in_events(folder: Path) -> set[tuple[int, str]]:
    """Return where TensorBoard shows images and texts."""
    reader = _reader(folder)
    pictures = [
        (event.step, tag) for tag in reader.Tags()["images"] for event in reader.Images(tag)
    ]
    texts = [tag for tag in reader.Tags()["tensors"] if tag.endswith("/text_summary")]
    rows = [(event.step, tag) for tag in texts for event in reader.Tensors(tag)]
    found = [*pictures, *((step, tag.removesuffix("/text_summary")) for step, tag in rows)]
    assert len(found) == len(set(found))
    return set(found)


def _reader(folder: Path) -> EventAccumulator:
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(folder / EVENTS), size_guidance=everything).Reload()


def wandb_files(folder: Path) -> list[Path]:
    """Return the offline files of a run folder in the order in which `wandb sync` uploads them."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def wandb_records(folder: Path) -> list[Record]:
    """Return all records; wandb writes the last ones just after closing."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = [record for file in wandb_files(folder) for record, _ in read_records(file)]
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{folder} has no finished run of W&B")


def in_wandb(folder: Path) -> Values:
    """Return the numbers in W&B's offline files."""
    return _logged(folder, lambda value: isinstance(value, float | int))


def media_in_wandb(folder: Path) -> dict[tuple[int, str], list[Any]]:
    """Return the images and tables in W&B's files, as wandb describes them."""
    return _logged(folder, lambda value: isinstance(value, dict))


def _logged(folder: Path, wanted: Callable[[Any], bool]) -> dict[tuple[int, str], list[Any]]:
    found = defaultdict(list)
    for record in wandb_records(folder):
        row: dict[str, Any] = {}
        for item in record.history.item:
            name, *part = item.nested_key or [item.key]
            value = json.loads(item.value_json)
            if part:  # of a picture or a table
                row.setdefault(name, {})[part[0]] = value
            else:
                row[name] = value
        for name, value in row.items():
            if not name.startswith("_") and wanted(value):
                found[row["_step"], name].append(value)
    return dict(found)
