"""Values that every logger of Avalanche can do something with, and their names."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import AlternativeValues, MetricValue
from avalanche.evaluation.metric_utils import get_metric_name
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["Plot", "Small", "Table", "published"]


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
    """A value at the present training iteration, under Avalanche's kind of name.

    That is `name/train_phase/train_stream/Task000/Exp000/layer`, where the task label and the
    experience are only told if asked for, and the layer if there is one.
    """
    full = get_metric_name(name, strategy, add_experience=experience, add_task=task)
    full = full if layer is None else f"{full}/{layer}"
    return MetricValue(metric, full, value, strategy.clock.train_iterations)


class Small(float):
    """A number that does not look like 0 where a text logger prints four decimals."""

    def __format__(self, spec: str) -> str:
        text = super().__format__(spec)
        zero = self and spec.endswith("f") and float(text) == 0
        return f"{float(self):.2e}" if zero else text


class _Forms(AlternativeValues):
    """A value whose forms are made when a logger asks for one, so that it costs no more than it is.

    Loggers take the first form that they can show; those that print text take `str`.
    """

    @abstractmethod
    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        """The types of the forms, the best first, and what makes each."""

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """All forms."""
        return tuple(make() for _, make in self._forms())

    def best_supported_value(self, *supported_types: type) -> Any:
        """The best form of these types; None where there is none."""
        for kind, make in self._forms():
            if issubclass(kind, supported_types):
                return make()
        return None


class Plot(_Forms):
    """A figure, painted once for all loggers, and for those without pictures a remark.

    Args:
        draw: Makes the figure; a function that can be pickled.
        content: What of.
    """

    def __init__(self, draw: Callable[[Any], Figure], content: Any) -> None:
        self.draw, self.content = draw, content
        self._image: Image.Image | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_image": None}

    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        return [
            (Image.Image, self._painted),
            (Figure, lambda: self.draw(self.content)),
            (str, self.__str__),
        ]

    def _painted(self) -> Image.Image:
        if self._image is None:
            canvas = FigureCanvasAgg(self.draw(self.content))
            canvas.draw()
            self._image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        return self._image

    def __str__(self) -> str:
        return "(a figure)"


class Table(_Forms):
    """A table: wandb's own where wandb asks for it, else text.

    Args:
        columns: Their names.
        rows: Strings, numbers or None.
        text: The table as text of several lines.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], text: str) -> None:
        self.columns, self.rows, self.text = list(columns), [list(row) for row in rows], text

    def _forms(self) -> Sequence[tuple[type, Callable[[], Any]]]:
        wandb: Any = sys.modules.get("wandb")  # who can show its tables has imported it
        tables = [(wandb.Table, lambda: wandb.Table(self.columns, self.rows))] if wandb else []
        return [*tables, (str, self.__str__)]

    def __str__(self) -> str:
        return f"\n{self.text}"
