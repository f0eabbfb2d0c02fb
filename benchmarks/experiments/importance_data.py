"""The paper's Table 3: on which data importance is measured, with MAS and with l-MAS."""

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.two_tasks import PAPERS

EXPERIMENT = Experiment(
    name="importance-data",
    source="Aljundi et al. 2018, Table 3, Ω on training data, test data, and both",
    sequences=PAPERS,
    length=2,
    methods=("fine-tuning", "mas", "l-mas"),
    importance_on=("train", "test", "train+test"),
    strength_of="eight-tasks",
    title="Importance data",
    page="importance data",
    together="all",
)
