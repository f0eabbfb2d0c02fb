"""The paper's adaptation test: what must not be forgotten depends on where the model is used.

After the first task the model sees unlabelled images of half of that task's classes, taken from its
validation data. Importance is measured on the training data, on these images, or on both in turn.
"""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from benchmarks.experiments.experiment import Experiment

EXPERIMENT = Experiment(
    name="adaptation",
    source="Aljundi et al. 2018, the adaptation test: Ω on unlabelled images of some classes",
    sequences=(("flowers", "birds"),),
    length=2,
    methods=("fine-tuning", "mas", "l-mas"),
    importance_on=("train", "train, then subset", "subset"),
    strength_shares=(1.0, 0.1),
    strength_of="eight-tasks",
    meets_validation=True,
    study=partial(resolve_name, "benchmarks.experiments.studies.adaptation:Adaptation"),
    title="Adaptation",
    page="adaptation",
)
