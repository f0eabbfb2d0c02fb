"""The protocols of published comparisons: defaults for the options of `run` and `tune`.

Whatever is given, on the command line or in a file, overrides them. The authors' code is `MAS.py` of
github.com/rahafaljundi/MAS-Memory-Aware-Synapses, the survey's that of github.com/Mattdl/CLsurvey.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

QUICK = "quick"
"""The protocol of this project, which adds nothing to the defaults of experiments and networks."""


class Default(NamedTuple):
    """The default of an option, as the command line holds it, and its source in words."""

    value: Any
    source: str


@dataclass(frozen=True)
class Protocol:
    """Defaults for options, by their names, for real images.

    Attributes:
        name: Its name on the command line.
        source: Where it was published.
        values: The defaults.
        strengths: Those of methods. If it names any, tuned ones do not count, and other methods have
            their usual strength.
    """

    name: str
    source: str
    values: Mapping[str, Default] = field(default_factory=dict)
    strengths: Mapping[str, Default] = field(default_factory=dict)


_CROP = (
    "the survey's code: the shorter side resized to 256, a random crop of 224 and a flip in training "
    "(here not of letters and digits), the crop from the centre in evaluation"
)
_LAMBDA = Default(1.0, "the paper: λ = 1 in all of its MAS experiments")

PAPER = Protocol(
    name="paper",
    source="Aljundi et al., ECCV 2018, and, where it is silent, the authors' code",
    values={
        "model": Default("alexnet", "the paper"),
        "weights": Default("auto", "the paper: pretrained on ImageNet; here torchvision's weights"),
        "transforms": Default("paper", f"the authors' code in evaluation; else {_CROP}"),
        "image_size": Default(224, "the authors' code"),
        "epochs": Default(100, "the paper"),
        "batch_size": Default(200, "the paper; the authors' code trains in batches of 150"),
        "optimizer": Default("sgd", "the paper"),
        "momentum": Default(0.9, "the authors' code"),
        "learning_rate": Default(8e-4, "the authors' code"),
        "schedule": Default("step", "the authors' code: a tenth after 54 of 100 epochs"),
        "weight_decay": Default(0.0, "the authors' code, unless Ω is measured anew on all tasks"),
        "gradient_clip": Default(None, "the authors' code"),
        "penalty": Default(
            "explicit", "the authors' code: 2 λ Ω (θ − θ*) is added to the gradient"
        ),
        "patience": Default(
            None, "ours: last weights; the authors' code also saves the best epoch's"
        ),
    },
    strengths={
        "mas": _LAMBDA,
        "l-mas": _LAMBDA,
    },
)

SURVEY = Protocol(
    name="survey",
    source="De Lange et al., TPAMI 2021, and the code published with it",
    values={
        "model": Default("alexnet", "the survey's code"),
        "weights": Default(
            "auto", "the survey's code: pretrained on ImageNet; here torchvision's weights"
        ),
        "transforms": Default("paper", _CROP),
        "image_size": Default(224, "the survey's code"),
        "epochs": Default(100, "the survey's code: at most"),
        "batch_size": Default(200, "the survey's code"),
        "optimizer": Default("sgd", "the survey's code"),
        "momentum": Default(0.9, "the survey's code"),
        "learning_rate": Default(1e-2, "the survey's code: the highest of its grid, down to 1e-4"),
        "schedule": Default(
            "plateau", "the survey: a tenth after 5 epochs without a gain, the end after 10"
        ),
        "weight_decay": Default(0.0, "the survey's code"),
        "gradient_clip": Default(None, "the survey's code"),
        "penalty": Default("explicit", "the survey's code: part of the gradient"),
        "choose": Default("framework", "the survey, Algorithm 1"),
    },
)

PROTOCOLS = {one.name: one for one in (Protocol(QUICK, "this project"), PAPER, SURVEY)}
"""The protocols by name."""
