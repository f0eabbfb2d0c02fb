"""The names of metrics in W&B and TensorBoard, which show each prefix as a section."""

from __future__ import annotations

import re

STEP = "train/step"
"""The training iterations so far, which every row has: the x-axis of what is measured while training."""

TASK = "train/task"
"""The tasks, or pieces of online tasks, learned so far: the x-axis of what is measured of a task."""

_AXES = {"train": STEP, "eval": TASK, "task": TASK, "layers": TASK}
_SCHEME = re.compile(r"([^/]+)/(train|eval)_phase/([^/]+)_stream((?:/.+)?)")
_PLACE = re.compile(r"(/Task\w+)?(/Exp\d+)?")


def section_name(name: str) -> str:
    """Return a metric's name with its phase and stream as a prefix, `eval/Top1_Acc_Exp/Task000/Exp000`.

    Avalanche's names begin with the metric, which would give each metric a section of its own. The
    sections are

        train   values of training batches and epochs, Avalanche's `..._MB` and `..._Epoch`
        eval    values of evaluations
        task    values measured once a task, when it has been trained
        layers  such values of a part of the network

    followed by `_STREAM` if it is not the usual stream ("train" or, in evaluations, "test"). Names
    that are not in Avalanche's scheme stay as they are. No two names become the same.

    Args:
        name: a name in Avalanche's scheme, `METRIC/PHASE_phase/STREAM_stream/Task000/Exp000`.
    """
    found = _SCHEME.fullmatch(name)
    if found is None:
        return name
    metric, phase, stream, rest = found.groups()
    if phase == "eval":
        section, usual = "eval", "test"
    elif metric.endswith(("_MB", "_Epoch")):
        section, usual = "train", "train"
    else:
        section, usual = "task" if _PLACE.fullmatch(rest) else "layers", "train"
    return f"{section if stream == usual else f'{section}_{stream}'}/{metric}{rest}"


def axis_of(name: str) -> str | None:
    """Return the name of the x-axis of a metric, `STEP` or `TASK`, or None if its section has none."""
    section, separator, _ = name.partition("/")
    return _AXES.get(section.partition("_")[0]) if separator else None
