"""Memory Aware Synapses, local (Hebbian): this project's plugin."""

from __future__ import annotations

from benchmarks.methods.method import Look, Method, plugin, setter

METHOD = Method(
    name="l-mas",
    title="l-MAS",
    source="Aljundi et al., ECCV 2018, arXiv 1711.09601: avalanche_mas.LocalMASPlugin, exact.",
    make_plugins=plugin("avalanche_mas:LocalMASPlugin", "lambda_reg"),
    penalties={"explicit": {"penalty": "loss"}, "damped": {"penalty": "damped"}},
    strength="λ, lambda_reg",
    centre=1e-3,  # as 1 is for MAS: the local Ω is about 10³ times the global one (local-vs-global)
    set_strength=setter("lambda_reg"),
    start=1.0,  # above every strength that tuning has chosen (results/tuning)
    measures="local",
    place=61,
    look=Look("#e69f00", "X"),
)
