"""What is run: one small file per table or figure of the paper."""

from __future__ import annotations

from benchmarks.experiments import eight_tasks, two_tasks
from benchmarks.experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "Experiment"]

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for experiment in (eight_tasks.EXPERIMENT, two_tasks.EXPERIMENT)
}
"""The experiments by name."""
