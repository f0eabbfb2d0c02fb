"""The authors' demo: pairs of MNIST's digits one after the other, a head for each pair.

Its published values are in `benchmarks/report/pages/published.json`. Unlike these runs, the demo
chose the best epoch of each task on the test images, measured Ω from the gradients of batches of
200 instead of single samples, learned the first task at a rate of 0.01 in both of its settings,
trained the others, in fact, in batches of 150, clipped no gradient, and trained on all 60,000
images (here a twelfth is held out for validation).

The stand-in has a tenth of the images: with `--batch-size 20` it takes as many steps as the demo.
"""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from benchmarks.experiments.experiment import READING, Experiment

PAIRS = ("1-2", "3-4", "5-6", "7-8", "9-0")

DEMO = {
    "model": "mlp",
    "epochs": 20,
    "first_epochs": 10,
    "batch_size": 200,
    "learning_rate": 1e-3,
    "schedule": "constant",
}

EXPERIMENT = Experiment(
    name="split-mnist",
    source="The demo published with Aljundi et al. 2018: MNIST in five pairs of digits",
    sequences=(PAIRS,),
    known=PAIRS,
    stream=partial(resolve_name, "benchmarks.experiments.digits:digit_pairs"),
    data_set="mnist",
    data_options=(*READING, "scenario"),
    download=partial(resolve_name, "benchmarks.experiments.digits:fetch_mnist"),
    defaults={"drawn": {**DEMO, "batch_size": 10, "learning_rate": 1e-2}, "real": DEMO},
    title="Split mnist",
)
