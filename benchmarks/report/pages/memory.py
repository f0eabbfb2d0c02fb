"""The memory needed for the next task: the network, and what each method stores beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from avalanche_mas.figure_style import PALE
from benchmarks.record.schema import RESULT
from benchmarks.report.figures.drawing import (
    BESIDE,
    WIDTH,
    brief,
    line_of,
    name_rows,
    without_frame,
)
from benchmarks.report.names import in_order, is_upper_bound, look, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun, usable
from benchmarks.report.page import CaptionedFigure

NETWORK = "#bbbbbb"


class Kept(NamedTuple):
    """What a method keeps after each task, the network and what is stored beside it, in 10⁶ bytes."""

    network: list[float]
    stored: list[float]

    @property
    def together(self) -> list[float]:
        """The sums of both."""
        return [sum(both) for both in zip(self.network, self.stored, strict=True)]


def kept_by_method(group: Group) -> dict[str, Kept]:
    """Return what each method keeps that learns task after task.

    Older runs recorded only what is stored at the end; if there are any, that alone is returned for
    all runs, without the network.
    """
    runs = {m: group.runs[m] for m in in_order(group.runs) if not is_upper_bound(m)}
    if all("memory_mb" in run.result for same in runs.values() for run in same):
        found = {method: [_recorded(run) for run in same] for method, same in runs.items()}
    else:
        found = {m: [Kept([0.0], [r.costs.stored_mb or 0.0]) for r in rs] for m, rs in runs.items()}
    means = {method: np.mean(own, axis=0).tolist() for method, own in found.items()}
    return {method: Kept(*mean) for method, mean in means.items()}


def _recorded(run: FinishedRun) -> Kept:
    memory = run.result["memory_mb"]
    with usable(run.folder / RESULT, "the memory"):
        found = Kept(*([float(size) for size in memory[part]] for part in Kept._fields))
        if {len(found.network), len(found.stored)} != {len(run.config["tasks"])}:
            raise ValueError(f"not one number for each of {len(run.config['tasks'])} tasks")
        return found


def figures(group: Group) -> dict[str, CaptionedFigure]:
    """Return the figure "memory" of what every method keeps; nothing without such a method."""
    found = kept_by_method(group)
    if not found:
        return {}
    caption = "What each method keeps to go on to the next task, after the last one" + (
        ": the tensors beside the network, whose own size these runs did not record."
        if not _whole(found)
        else ": the network's own parameters and buffers (grey), and what is stored beside them;"
        " to the right both together after each task."
    )
    for method in filter(is_upper_bound, group.runs):
        caption += f" {title(method)}, which needs the data of all tasks, is left out."
    return {"memory": CaptionedFigure(caption, lambda: memory(found, group.labels))}


def multiples(group: Group) -> dict[str, list[float]]:
    """Return what each method stores after each task, in multiples of the network, if recorded."""
    return {
        method: [stored / network for network, stored in zip(*one, strict=True)]
        for method, one in kept_by_method(group).items()
        if all(one.network)
    }


def _whole(found: dict[str, Kept]) -> bool:
    return any(any(one.network) for one in found.values())


def memory(found: dict[str, Kept], tasks: Sequence[str]) -> Figure:
    """Draw bars of what is kept at the end, and lines of what is kept after each task."""
    several = _whole(found) and len(tasks) > 1
    height = max(0.3 * len(found) + 0.8, 2.2 if several else 0)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
    _bars(panels[0], found)
    if several:
        _lines(panels[1], found, tasks)
    return figure


def _bars(panel: Any, found: dict[str, Kept]) -> None:
    for y, (method, one) in enumerate(found.items()):
        network, stored = one.network[-1], one.stored[-1]
        colour = look(method, found).colour
        panel.barh(y, network, color=NETWORK, height=0.62)
        panel.barh(y, stored, left=network, color=colour, height=0.62)
        text = f"{network:.1f} + {stored:.1f}" if network else f"{stored:.1f}"
        panel.annotate(text, (network + stored, y), **BESIDE)
    name_rows(panel, [brief(title(method)) for method in found])
    without_frame(panel)
    panel.margins(x=0.25)
    panel.set_xlim(left=0)
    panel.set_xlabel("MB")
    panel.set_title("Kept after the last task", loc="left")


def _lines(panel: Any, found: dict[str, Kept], tasks: Sequence[str]) -> None:
    learned = np.arange(1, len(tasks) + 1)
    for method, one in found.items():
        line = line_of(look(method, found))
        panel.plot(learned, one.together, markersize=3, linewidth=1.0, **line)
    panel.grid(axis="y", color=PALE, linewidth=0.5)
    panel.set_xticks(learned)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("tasks learned")
    panel.set_ylabel("MB")
    panel.set_title("Kept after each task", loc="left")
