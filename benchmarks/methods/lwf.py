"""Learning without Forgetting: Avalanche's plugin as it is, temperature 2 as in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.methods.method import Method, setting

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin


def _plugins(strength: float) -> list[SupervisedPlugin]:
    from avalanche.training.plugins import LwFPlugin

    return [LwFPlugin(alpha=strength, temperature=2.0)]


METHOD = Method(
    name="lwf",
    title="LwF",
    source="Li and Hoiem, ECCV 2016, arXiv 1606.09282: Avalanche's LwFPlugin, as shipped.",
    make_plugins=_plugins,
    strength="α, the weight of the distillation loss",
    centre=1.0,  # λ_o = 1 in most of the paper's experiments
    set_strength=setting("lwf.alpha"),
    start=10.0,  # De Lange et al. (TPAMI 2021) start there
)
