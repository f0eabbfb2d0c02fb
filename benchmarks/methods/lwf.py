"""Learning without Forgetting: Avalanche's plugin as it is, and repaired.

Before it is trained on a task, the network is copied, and while it learns, the answers of all old
heads to the new images are held to the copy's: α Σ_heads KL(teacher ‖ student) at temperature 2,
the mean over the batch. That is the paper's loss, its sum over old tasks, and its temperature. What
differs from the paper and is kept, as it is a matter of how every method here is trained: the new
head is not trained alone before the rest (the paper's warm-up, which it finds not crucial), and no
factor T² weighs the distillation. The old heads' answers take a second pass of the network.

On a network without dropout and batch normalisation (the small CNN, SqueezeNet's convolutions, the
MLP) the repaired plugin is the shipped one, and so are its numbers. Where LwF helps little there,
that is the method: the old heads are held to their answers to the new task's images alone, which
say little of tasks that look different. Distilled on the old tasks' images, the same plugin forgets
far less; and the larger the steps of training are, the less it holds.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.methods.method import Look, Method, plugin, setting

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
    set_strength=setting("lwf.alpha"),
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
    place=20,
    look=Look("#009e73", "D", dashed=True),
    may_equal={
        "lwf-repaired": (
            "they differ in the teacher's mode, which makes no difference to a network with neither "
            "dropout nor batch normalisation"
        )
    },
)
