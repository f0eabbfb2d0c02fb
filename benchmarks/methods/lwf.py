"""Learning without Forgetting: Avalanche's plugin as it is, and repaired.

Before each task the network is copied. During training, the old heads' outputs on the new images
are held to the copy's: α Σ_heads KL(teacher ‖ student) at temperature 2, the mean over the batch.
Loss, sum over old tasks and temperature are the paper's. Two things differ from it, as every method
here is trained alike: the new head is not trained alone first (the paper's warm-up, which it finds
not crucial), and the distillation has no factor T². The old heads take a second pass of the network.

On a network without dropout and batch normalisation (the small CNN, SqueezeNet's convolutions, the
MLP) the repaired plugin equals the shipped one, which takes over its tuned strength. If LwF helps
little there, that is the method: it holds the old heads on the new task's images only, which say
little of tasks that look different. Distilled on the old tasks' images, the same plugin forgets far
less; and the larger the training steps, the less it holds.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.methods.method import Look, Method, plugin, setter

_SOURCE = "Li and Hoiem, ECCV 2016, arXiv 1606.09282: Avalanche's LwFPlugin"
_TEMPERATURE = 2.0  # the paper's

REPAIRED = Method(
    name="lwf-repaired",
    title="LwF repaired",
    source=f"{_SOURCE}, with its teacher in eval mode.",
    make_plugins=plugin(
        "benchmarks.methods._repaired_lwf:RepairedLwFPlugin", "alpha", temperature=_TEMPERATURE
    ),
    strength="α, the weight of the distillation loss",
    centre=1.0,  # λ_o = 1 in most of the paper's experiments
    set_strength=setter("lwf.alpha"),
    start=10.0,  # De Lange et al. (TPAMI 2021) start there
    place=21,
    look=Look("#009e73", "D"),
)

SHIPPED = replace(
    REPAIRED,
    name="lwf",
    title="LwF as shipped",
    source=f"{_SOURCE} as shipped, whose teacher stays in train mode.",
    make_plugins=plugin("avalanche.training.plugins:LwFPlugin", "alpha", temperature=_TEMPERATURE),
    tuned_as="lwf-repaired",
    place=20,
    look=Look("#009e73", "D", dashed=True),
    may_equal={
        "lwf-repaired": (
            "they differ in the teacher's mode, which makes no difference to a network with neither "
            "dropout nor batch normalisation"
        )
    },
)
