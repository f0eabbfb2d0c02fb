"""The importances of l-MAS and MAS compared, layer by layer."""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from benchmarks.experiments.experiment import Experiment

EXPERIMENT = Experiment(
    name="local-vs-global",
    source="Aljundi et al. 2018, the two forms of Ω, global and local, beside each other",
    sequences=(("birds",),),
    length=1,
    methods=("fine-tuning",),
    study=partial(resolve_name, "benchmarks.experiments.studies.local_vs_global:TwoImportances"),
    title="Local vs global",
    page="layers",
)
