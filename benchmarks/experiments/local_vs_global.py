"""How the two importances differ: that of l-MAS beside that of MAS, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.experiment import Experiment

if TYPE_CHECKING:
    from benchmarks.experiments.studies.study import Study


def _study() -> type[Study]:
    from benchmarks.experiments.studies.local_vs_global import TwoImportances

    return TwoImportances


EXPERIMENT = Experiment(
    name="local-vs-global",
    source="Aljundi et al. 2018, the two forms of Ω, global and local, beside each other",
    sequences=(("birds",),),
    length=1,
    methods=("fine-tuning",),
    study=_study,
    title="Local vs global",
    page="layers",
)
