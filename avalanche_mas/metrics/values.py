"""Metric values that every Avalanche logger can show, and their names."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import AlternativeValues, MetricValue
from avalanche.evaluation.metric_utils import get_metric_name
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def published(
    metric: PluginMetric[Any],
    strategy: Any,
    name: str,
    value: Any,
    *,
    task: bool = False,
    experience: bool = False,
    layer: str | None = None,
) -> MetricValue:
    """Return a value at the current training iteration, named in Avalanche's style.

    The name is `name/train_phase/train_stream/Task000/Exp000/layer`; task label, experience and layer
    are included only on request.
    """
    full = get_metric_name(name, strategy, add_experience=experience, add_task=task)
    full = full if layer is None else f"{full}/{layer}"
    return MetricValue(metric, full, value, strategy.clock.train_iterations)


class Small(float):
    """A number that text loggers, which print four decimals, do not show as 0."""

    def __format__(self, spec: str) -> str:
        text = super().__format__(spec)
        zero = self and spec.endswith("f") and float(text) == 0
        return f"{float(self):.2e}" if zero else text


class _Forms(AlternativeValues):
    """A value with several forms, each made only when a logger asks for it.

    Loggers take the first form that they can show; text loggers take `str`.
    """

    @abstractmethod
    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        """Return the types of the forms, best first, each with a function that makes it."""

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """All forms."""
        return tuple(make() for _, make in self._forms())

    def best_supported_value(self, *supported_types: type) -> Any:
        """Return the best form among these types, or None."""
        for kind, make in self._forms():
            if issubclass(kind, supported_types):
                return make()
        return None


class Plot(_Forms):
    """A figure, rendered once for all loggers; text loggers get a placeholder.

    Args:
        draw: makes the figure from the content; it must be picklable.
        content: what the figure shows.
    """

    def __init__(self, draw: Callable[[Any], Figure], content: Any) -> None:
        self.draw, self.content = draw, content

    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        # A logger that shows figures has imported it.
        library: Any = sys.modules.get("matplotlib.figure")
        figures = [(library.Figure, lambda: self.draw(self.content))] if library else []
        return [(Image.Image, lambda: _painted(self)), *figures, (str, self.__str__)]

    def __str__(self) -> str:
        return "(a figure)"


@lru_cache(maxsize=16)  # for several loggers; Avalanche keeps the plots themselves for ever
def _painted(plot: Plot) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(plot.draw(plot.content))
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


class Table(_Forms):
    """A table: `wandb.Table` for wandb, text for other loggers.

    Args:
        columns: names of the columns.
        rows: rows of strings, numbers or None.
        text: the table as text of several lines.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], text: str) -> None:
        self.columns, self.rows, self.text = list(columns), [list(row) for row in rows], text

    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        wandb: Any = sys.modules.get("wandb")  # a logger that shows its tables has imported it
        tables = [(wandb.Table, lambda: wandb.Table(self.columns, self.rows))] if wandb else []
        return [*tables, (str, self.__str__)]

    def __str__(self) -> str:
        """Return it with what standard output cannot show replaced, as training must not end for that."""
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        return f"\n{self.text}".encode(encoding, "replace").decode(encoding)
