"""The paper's sequences of two tasks (its Table 3): what is left of the first after the second."""

from benchmarks.experiments.experiment import Experiment

EXPERIMENT = Experiment(
    name="two-tasks",
    source="Aljundi et al. 2018, Table 3, sequences of two tasks",
    sequences=(("birds", "scenes"),),
    length=2,
)
