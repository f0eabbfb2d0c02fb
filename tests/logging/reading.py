"""Reading back what loggers left on the disk."""

import struct
import time

from avalanche.evaluation.metric_results import MetricValue
from google.protobuf.message import DecodeError

from avalanche_mas.logging.history import read_records, run_history


def log(logger, name, value, step=0):
    logger.log_metrics([MetricValue(None, name, value, step)])


def all_files(folder):
    """The files of all runs below `folder`, oldest first."""
    found = folder.glob("wandb/*run-*/run-*.wandb")
    return sorted(found, key=lambda file: file.parent.name.removeprefix("offline-"))


def finished_records(file):
    """The records of a run that was closed; wandb writes the last ones just after that."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            found = [record for record, _ in read_records(file)]
        except (struct.error, DecodeError):  # half written
            found = []
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"{file} lacks its exit record")


def only_records(folder):
    """The records of the only run below `folder`."""
    (file,) = all_files(folder)
    return finished_records(file)


def exit_codes(folder):
    records = [record for file in all_files(folder) for record in finished_records(file)]
    return [record.exit.exit_code for record in records if record.HasField("exit")]


def history(folder):
    """{name: {step: value}} of the only run below `folder`."""
    (file,) = all_files(folder)
    finished_records(file)
    return by_name(run_history(file))


def by_name(rows):
    found = {}
    for step, row in rows.items():
        for name, value in row.items():
            found.setdefault(name, {})[step] = value
    return found
