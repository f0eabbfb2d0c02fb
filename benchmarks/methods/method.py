"""A method of the comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin
    from avalanche.training.templates import SupervisedTemplate


_NAIVE = partial(resolve_name, "avalanche.training:Naive")


def plugin(path: str, strength: str, **options: Any) -> Callable[..., list[SupervisedPlugin]]:
    """Return a `Method.make_plugins` that loads and makes one plugin.

    The path is "module:class"; `strength` names the argument that is the method's strength.
    """

    def make(value: float, **given: Any) -> list[SupervisedPlugin]:
        return [resolve_name(path)(**{strength: value}, **options, **given)]

    return make


DAMPED: Mapping[str, Mapping[str, Any]] = {"explicit": {}, "damped": {"damped": True}}
"""`Method.penalties` of plugins that take `damped=`."""


def setter(attribute: str) -> Callable[[Sequence[Any], float], None]:
    """Return a `Method.set_strength` that sets an attribute of the first plugin, e.g. `lwf.alpha`."""
    *owners, name = attribute.split(".")

    def set_strength(plugins: Sequence[Any], strength: float) -> None:
        setattr(reduce(getattr, owners, plugins[0]), name, strength)

    return set_strength


class Look(NamedTuple):
    """The colour and marker of a method in figures.

    The colours are those of Okabe and Ito, which colour-blind readers can tell apart, and a few
    darker ones; marker and dashes alone distinguish all methods.
    """

    colour: str
    marker: str
    dashed: bool = False


@dataclass(frozen=True)
class Method:
    """One row of the comparison. Listing a method does not load Avalanche.

    Attributes:
        name: Its name on the command line and in run folders.
        title: Its name in sentences.
        source: Where it was published, and which implementation this is.
        make_plugins: From the strength, the plugins that turn plain training into this method. If
            it `measures`, also from the data to measure on, `importance_on=`.
        penalties: The options of `make_plugins` for each way to apply its quadratic penalty; empty
            if there is none to choose.
        strategy: Loads the Avalanche strategy class that takes the plugins.
        strength: What its one tuned number is, in words; `None` for a method without one.
        centre: The usual magnitude of that number: the middle of the tuning grid, and the default
            if nothing was tuned.
        set_strength: Sets the plugins' strength for the tasks to come; `None` if that is impossible,
            so that the framework cannot choose it.
        start: The high strength that the framework halves; `None` for ten times `centre`.
        tuned_as: The method whose tuned strength it uses, if not its own.
        variant_of: The method of which it is a variant, only for the experiments that name it; `None`
            for a method of its own.
        training: The fields of the run's configuration that it fixes.
        joint: Whether it sees the data of all tasks at once.
        measures: The Ω that it measures on data that can be chosen, "global" or "local"; empty for
            none.
        place: Its position in tables, in ascending order; the upper bound always comes last.
        look: How figures draw it; `None` for a spare look.
        may_equal: Methods that may have exactly the same accuracies, and why; the report says so if
            they do.
        remark: A sentence for every table of accuracies with this method.
    """

    name: str
    title: str
    source: str
    make_plugins: Callable[..., list[SupervisedPlugin]]
    penalties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strategy: Callable[[], type[SupervisedTemplate]] = _NAIVE
    strength: str | None = None
    centre: float | None = None
    set_strength: Callable[[Sequence[Any], float], None] | None = None
    start: float | None = None
    tuned_as: str | None = None
    variant_of: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    joint: bool = False
    measures: Literal["", "global", "local"] = ""
    place: int = 100
    look: Look | None = None
    may_equal: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    def plugins(
        self,
        strength: float | None = None,
        importance_on: str | None = None,
        penalty: str = "explicit",
    ) -> list[SupervisedPlugin]:
        """Return the plugins that turn plain training into this method."""
        data = {} if importance_on is None else {"importance_on": importance_on}
        return self.make_plugins(strength or 0.0, **data, **self.penalties.get(penalty, {}))

    @property
    def highest(self) -> float | None:
        """The strength at which the framework starts; `None` for a method without one."""
        if self.start is not None or self.centre is None:
            return self.start
        return 10 * self.centre

    @property
    def grid(self) -> tuple[float, ...]:
        """The nine strengths that tuning tries, in steps of √10; empty if it tries none."""
        if self.centre is None or self.tuned_as is not None:
            return ()
        return tuple(rounded(self.centre * STEP**power) for power in range(-4, 5))


STEP = math.sqrt(10)
"""The factor between strengths that tuning tries."""


def rounded(strength: float) -> float:
    """Return a strength with three digits, so that 3.16 stands for √10 in every folder and table."""
    return float(f"{strength:.3g}")
