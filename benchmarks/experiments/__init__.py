"""The experiments: one small file per table or figure of the paper."""

from __future__ import annotations

from benchmarks.experiments import (
    ablation,
    adaptation,
    eight_tasks,
    importance_data,
    local_vs_global,
    orders,
    own,
    permuted,
    split_mnist,
    two_tasks,
)
from benchmarks.experiments.experiment import Experiment, PageForm, Variant

__all__ = ["EXPERIMENTS", "Experiment", "PageForm", "Variant"]

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        eight_tasks.EXPERIMENT,
        two_tasks.EXPERIMENT,
        orders.EXPERIMENT,
        split_mnist.EXPERIMENT,
        permuted.EXPERIMENT,
        importance_data.EXPERIMENT,
        adaptation.EXPERIMENT,
        local_vs_global.EXPERIMENT,
        ablation.EXPERIMENT,
        own.EXPERIMENT,
    )
}
"""The experiments by name."""
