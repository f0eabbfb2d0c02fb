"""What has to be kept to go on to the next task: the network, and what each method keeps beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report.figures.drawing import DASHES, INK, PALE, WIDTH, brief
from benchmarks.report.figures.style import UPPER_BOUND, in_order, look, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import RESULT, ReportError, Run
from benchmarks.report.page import Picture

NETWORK = "#bbbbbb"


class Kept(NamedTuple):
    """What a method keeps after each task, mean over its runs, in 10⁶ bytes.

    Attributes:
        network: the parameters and buffers of the network.
        stored: the tensors that the method keeps beside them.
    """

    network: list[float]
    stored: list[float]

    @property
    def together(self) -> list[float]:
        """Both."""
        return [sum(both) for both in zip(self.network, self.stored, strict=True)]


def kept(group: Group) -> dict[str, Kept]:
    """By method what it keeps, of those that learn task after task.

    Runs of before that was recorded after every task only tell what is stored at the end; if there
    are any, no run is asked for more, and the network is not counted.

    Raises:
        ReportError: what a run recorded cannot be used.
    """
    methods = [method for method in in_order(group.runs) if method != UPPER_BOUND]
    runs = {method: group.runs[method] for method in methods}
    if not all("memory_mb" in run.result for same in runs.values() for run in same):
        return {m: Kept([0.0], [_mean([r.stored_mb] for r in rs)[0]]) for m, rs in runs.items()}
    found = {method: [_recorded(run) for run in same] for method, same in runs.items()}
    return {
        method: Kept(_mean(one.network for one in same), _mean(one.stored for one in same))
        for method, same in found.items()
    }


def _recorded(run: Run) -> Kept:
    memory = run.result["memory_mb"]
    try:
        found = Kept(*([float(size) for size in memory[part]] for part in Kept._fields))
        if {len(found.network), len(found.stored)} != {len(run.config["tasks"])}:
            raise ValueError(f"not one number for each of {len(run.config['tasks'])} tasks")
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(
            f"the memory in {run.folder / RESULT} cannot be used ({type(error).__name__}: {error});"
            " remove the folder and run again"
        ) from error
    return found


def _mean(rows: Any) -> list[float]:
    means: list[float] = np.mean(list(rows), axis=0).tolist()
    return means


def pictures(group: Group) -> dict[str, Picture]:
    """What every method keeps as a figure, named "memory"; nothing without such a method."""
    found = kept(group)
    if not found:
        return {}
    caption = "What each method keeps to go on to the next task, after the last one" + (
        ": the tensors beside the network, whose own size these runs did not record."
        if not _whole(found)
        else ": the network's own parameters and buffers (grey), and what is stored beside them;"
        " to the right both together after each task."
    )
    if UPPER_BOUND in group.runs:
        caption += f" {title(UPPER_BOUND)}, which needs the data of all tasks, is left out."
    return {"memory": Picture(caption, lambda: memory(found, group.labels))}


def _whole(found: dict[str, Kept]) -> bool:
    return any(any(one.network) for one in found.values())


def memory(found: dict[str, Kept], tasks: Sequence[str]) -> Figure:
    """Bars of what is kept at the end, and lines of how it came to that."""
    several = _whole(found) and len(tasks) > 1
    height = max(0.34 * len(found) + 0.8, 2.2 if several else 0)
    figure = Figure(figsize=(WIDTH if several else 4.8, height), layout="constrained")
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
        at = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        panel.annotate(text, (network + stored, y), **at)
    panel.set_yticks(range(len(found)), [brief(title(method)) for method in found])
    panel.set_ylim(len(found) - 0.4, -0.6)
    panel.axvline(0, color=INK, linewidth=0.6)
    panel.margins(x=0.25)
    panel.set_xlim(left=0)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.set_title("Kept after the last task, MB", loc="left")


def _lines(panel: Any, found: dict[str, Kept], tasks: Sequence[str]) -> None:
    learned = np.arange(1, len(tasks) + 1)
    for method, one in found.items():
        style = look(method, found)
        panel.plot(
            learned,
            one.together,
            color=style.colour,
            marker=style.marker,
            markersize=3,
            linewidth=1.0,
            linestyle=DASHES if style.dashed else "-",
        )
    panel.grid(axis="y", color=PALE, linewidth=0.5)
    panel.set_xticks(learned)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("tasks learned")
    panel.set_title("Kept after each task, MB", loc="left")
