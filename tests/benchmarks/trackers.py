"""What trackers have of a run: read back with their own formats, as (step, name) → values."""

from __future__ import annotations

import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from benchmarks.folders import METRICS
from benchmarks.tracking import EVENTS
from tests.test_logging import records

Values = dict[tuple[int, str], list[float]]


def in_table(folder: Path) -> Values:
    """What the table of a run folder holds."""
    found: Values = defaultdict(list)
    with (folder / METRICS).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[int(row["step"]), row["name"]].append(float(row["value"]))
    return dict(found)


def in_events(folder: Path) -> Values:
    """What TensorBoard shows of a run folder: its scalars, in float32."""
    reader = EventAccumulator(str(folder / EVENTS), size_guidance={"scalars": 0})
    reader.Reload()
    found: Values = defaultdict(list)
    for name in reader.Tags()["scalars"]:
        for event in reader.Scalars(name):
            found[event.step, name].append(event.value)
    return dict(found)


def wandb_files(folder: Path) -> list[Path]:
    """The files of the offline runs in a run folder, which `wandb sync` uploads in this order."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def wandb_records(folder: Path) -> list[Record]:
    """All records; wandb writes the last ones just after closing."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = [record for file in wandb_files(folder) for record in records(file)]
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{folder} has no finished run of W&B")


def _items(record: Record) -> Iterator[tuple[str, Any]]:
    for item in record.history.item:
        yield "/".join(item.nested_key) or item.key, json.loads(item.value_json)


def in_wandb(folder: Path) -> Values:
    """The numbers in W&B's offline files."""
    found: Values = defaultdict(list)
    for record in wandb_records(folder):
        items = dict(_items(record))
        for name, value in items.items():
            if not name.startswith("_") and isinstance(value, float | int):
                found[items["_step"], name].append(value)
    return dict(found)
