"""Synaptic Intelligence: Avalanche's plugin as it is, which does nothing on a CPU, and repaired.

Even with its weights before a step copied, the shipped plugin would not be Synaptic Intelligence:
with its damping of 10⁻⁷, nearly every importance reaches the upper limit of 0.001, and the penalty
holds all weights alike. `_repaired_si` lists the repairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.methods.method import DAMPED, Look, Method, plugin

_SOURCE = "Zenke et al., ICML 2017, arXiv 1703.04200: Avalanche's SynapticIntelligencePlugin"


def _set_strength(plugins: Sequence[Any], strength: float) -> None:
    plugins[0].si_lambda = [strength]


REPAIRED = Method(
    name="si-repaired",
    title="SI repaired",
    source=(
        f"{_SOURCE}, with its weights before a step copied instead of viewed, the gradient of the "
        "task's loss alone, importances of 0 and more without an upper limit, and without the "
        "heads of other tasks."
    ),
    make_plugins=plugin(
        "benchmarks.methods._repaired_si:RepairedSynapticIntelligencePlugin", "si_lambda"
    ),
    penalties=DAMPED,
    strength="λ, si_lambda",
    centre=2.0,  # c = λ/2 = 1 in the paper's experiments with one head per task
    set_strength=_set_strength,
    start=800.0,  # De Lange et al. (TPAMI 2021) start at c = λ/2 = 400
    place=11,
    look=Look("#cc79a7", "^"),
)

SHIPPED = replace(
    REPAIRED,
    penalties={},
    name="si",
    title="SI as shipped",
    source=f"{_SOURCE} as shipped, whose penalty is always zero on a CPU.",
    make_plugins=plugin("avalanche.training.plugins:SynapticIntelligencePlugin", "si_lambda"),
    tuned_as="si-repaired",
    place=10,
    look=Look("#56b4e9", "v", dashed=True),
    may_equal={
        "fine-tuning": "Avalanche's built-in plugin does nothing on a CPU",
        "si-repaired": "",
    },
)
