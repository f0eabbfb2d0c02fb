"""Elastic Weight Consolidation: Avalanche's plugin as it is, and repaired.

Both have the penalty λ Σ_t Σ F_t (θ − θ*_t)², one term for each earlier task t, as the paper does;
its ½ is part of λ here. Both measure F_t once, at the end of task t, in eval mode and with the
labels of the data. As shipped, F_t is the mean over batches of the squared mean gradient of a
batch, on augmented images, heads of other tasks included; repaired, it is the mean over samples of
their squared gradients, which is larger by about the batch size: the same λ means another strength.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.methods.method import DAMPED, Look, Method, plugin, setter

_SOURCE = "Kirkpatrick et al., PNAS 2017, arXiv 1612.00796: Avalanche's EWCPlugin"

REPAIRED = Method(
    name="ewc-repaired",
    title="EWC repaired",
    source=(
        f"{_SOURCE}, with the squared gradients of single samples and without the heads of other "
        "tasks."
    ),
    make_plugins=plugin("benchmarks.methods._repaired_ewc:RepairedEWCPlugin", "ewc_lambda"),
    penalties=DAMPED,
    strength="λ, ewc_lambda",
    centre=400.0,  # where De Lange et al. (TPAMI 2021) start on this sequence of tasks
    set_strength=setter("ewc_lambda"),
    start=10_000.0,  # above every strength that tuning has chosen (results/tuning)
    place=51,
    look=Look("#0072b2", "P"),
)

SHIPPED = replace(
    REPAIRED,
    penalties={},
    name="ewc",
    title="EWC as shipped",
    source=f"{_SOURCE} as shipped, with the squared gradients of batches.",
    make_plugins=plugin("avalanche.training.plugins:EWCPlugin", "ewc_lambda"),
    place=50,
    look=Look("#0072b2", "P", dashed=True),
    may_equal={"ewc-repaired": ""},
)
