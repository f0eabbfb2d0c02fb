"""Encoder Based Lifelong Learning: this project's plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.methods.method import Look, Method

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

_ALPHA = 0.1  # α for λ = 1: the authors' code (exp_LwF_with_encoder.m)


def _plugins(strength: float) -> list[SupervisedPlugin]:
    from benchmarks.methods._ebll import EBLLPlugin

    return [EBLLPlugin(lambda_reg=strength, alpha=_ALPHA * strength)]


def _set_strength(plugins: Sequence[Any], strength: float) -> None:
    (plugin,) = plugins
    plugin.lambda_reg, plugin.alpha = strength, _ALPHA * strength


METHOD = Method(
    name="ebll",
    title="EBLL",
    source="Rannen Triki et al., ICCV 2017, arXiv 1704.01920: EBLLPlugin, without the warm-up.",
    make_plugins=_plugins,
    strength="λ, the weight of the distillation loss; α of the code loss is a tenth of it",
    set_strength=_set_strength,
    centre=1.0,  # λ_o = 1 in most experiments of LwF (Li and Hoiem, ECCV 2016), which it builds on
    place=30,
    look=Look("#7f4f24", "h"),
)
