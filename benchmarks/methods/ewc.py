"""Elastic Weight Consolidation: Avalanche's plugin as it is.

It squares the gradients of batch means rather than of single samples, keeps one penalty for each
earlier task, and penalises the heads of earlier tasks too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.methods.method import Method, setting

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin


def _plugins(strength: float) -> list[SupervisedPlugin]:
    from avalanche.training.plugins import EWCPlugin

    return [EWCPlugin(ewc_lambda=strength)]


METHOD = Method(
    name="ewc",
    title="EWC",
    source="Kirkpatrick et al., PNAS 2017, arXiv 1612.00796: Avalanche's EWCPlugin, as shipped.",
    make_plugins=_plugins,
    strength="λ, ewc_lambda",
    centre=400.0,  # where De Lange et al. (TPAMI 2021) start on this sequence of tasks
    set_strength=setting("ewc_lambda"),
    start=400.0,  # De Lange et al. (TPAMI 2021) start there
)
