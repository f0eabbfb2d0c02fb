"""Memory Aware Synapses, exact: this project's plugin."""

from __future__ import annotations

from benchmarks.methods.method import Look, Method, plugin, setter

METHOD = Method(
    name="mas",
    title="MAS",
    source="Aljundi et al., ECCV 2018, arXiv 1711.09601: avalanche_mas.MASPlugin, exact.",
    make_plugins=plugin("avalanche_mas:MASPlugin", "lambda_reg", accumulation="sum"),
    penalties={"explicit": {"penalty": "loss"}, "damped": {"penalty": "damped"}},
    strength="λ, lambda_reg",
    centre=1.0,  # λ = 1 in all of the paper's MAS experiments
    set_strength=setter("lambda_reg"),
    start=3.0,  # De Lange et al. (TPAMI 2021) start there
    measures="global",
    place=60,
    look=Look("#d55e00", "o"),
)
