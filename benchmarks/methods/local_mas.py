"""Memory Aware Synapses, local (Hebbian): this project's plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from benchmarks.methods.method import Look, Method, setting

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin


def _plugins(strength: float, *, damped: bool, **measured: Any) -> list[SupervisedPlugin]:
    from avalanche_mas import LocalMASPlugin

    form: Literal["damped", "loss"] = "damped" if damped else "loss"
    return [LocalMASPlugin(lambda_reg=strength, penalty=form, **measured)]


METHOD = Method(
    name="l-mas",
    title="l-MAS",
    source="Aljundi et al., ECCV 2018, arXiv 1711.09601: avalanche_mas.LocalMASPlugin, exact.",
    make_plugins=_plugins,
    strength="λ, lambda_reg",
    centre=1e-3,  # as 1 is for MAS: the local Ω is about 10³ times the global one (local-vs-global)
    set_strength=setting("lambda_reg"),
    start=1.0,  # above every strength that tuning has chosen (results/tuning)
    damped=True,
    measures=True,
    place=61,
    look=Look("#e69f00", "X"),
)
