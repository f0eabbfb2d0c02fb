"""What the parts of MAS are worth: the method as published, with one thing changed at a time."""

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.sequences import EIGHT
from benchmarks.methods import METHODS

EXPERIMENT = Experiment(
    name="ablation",
    source="MAS with one thing changed at a time: Ω, accumulation, clipping, the form of the penalty",
    sequences=(EIGHT,),
    methods=("fine-tuning", "mas", *(n for n, one in METHODS.items() if one.variant_of == "mas")),
    title="Ablation",
    part_title="Ablation, {} tasks",
)
