"""The paper's sequence of eight object recognition tasks (section 5.2), or any part of it."""

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.sequences import EIGHT

EXPERIMENT = Experiment(
    name="eight-tasks",
    source="Aljundi et al. 2018, the sequence of eight object recognition tasks",
    sequences=(EIGHT,),
    title="Eight tasks",
    part_title="{} tasks",
)
