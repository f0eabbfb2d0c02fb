"""The paper's sequence of eight object recognition tasks (section 5.2), or any part of it."""

from benchmarks.experiments.experiment import Experiment

EXPERIMENT = Experiment(
    name="eight-tasks",
    source="Aljundi et al. 2018, the sequence of eight object recognition tasks",
    sequences=(("flowers", "scenes", "birds", "cars", "aircraft", "actions", "letters", "svhn"),),
)
