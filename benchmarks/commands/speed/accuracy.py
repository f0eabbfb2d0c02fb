"""The error of Ω in float32, with and without TF32, against the same pass in float64 on the CPU."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as networks

from avalanche_mas.importance import global_importance, local_importance
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import PRECISIONS, name_column, named, precision
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "accuracy"
DESCRIPTION = "the error of Ω in float32 and TF32, against float64 on the CPU"
SECONDS = 35.0

SAMPLES = 4
SIZE = 64
"""Height and width of the images in pixels; 224 for the transformer."""

NETWORKS = {
    "cpu": ["squeezenet1_1", "resnet18", "mobilenet_v2"],
    "cuda": ["resnet18", "alexnet", "mobilenet_v2", "vit_b_16", "resnet50", "convnext_tiny"],
    "quick": ["squeezenet1_1"],
}
MEASURES: dict[str, Callable[..., Mapping[str, Tensor]]] = {
    "global": global_importance,
    "local": local_importance,
}


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure the error of Ω, ‖Ω − Ω₆₄‖₂ / ‖Ω₆₄‖₂ by parameter, for every network, form and precision."""
    rows = {name: partial(_measure, name, setup) for name in NETWORKS[setup.size]}
    yield from measure_rows({"samples": SAMPLES}, rows, setup)


def _measure(name: str, setup: Setup) -> dict[str, Any]:
    torch.manual_seed(0)
    model: nn.Module = getattr(networks, name)(num_classes=10)
    size = 224 if name.startswith("vit") else SIZE
    images = torch.randn(SAMPLES, 3, size, size)
    double = copy.deepcopy(model).double()
    model.to(setup.device)
    found: dict[str, Any] = {}
    for form, importance in MEASURES.items():
        truth = importance(double, [images.double()])
        for name_ in PRECISIONS:
            with precision(name_):
                omega = importance(model, [images.to(setup.device)])
            found[f"{form}, {name_}"] = _errors(omega, truth)
    return found


def _errors(omega: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> dict[str, float]:
    errors = [
        float((omega[name].cpu() - right).norm() / right.norm())
        for name, right in truth.items()
        if right.any()
    ]
    return {"median": statistics.median(errors), "max": max(errors)}


def table(found: dict[str, Any]) -> str:
    """Show the median and the largest relative error over the parameters."""
    forms = [f"{form}, {name}" for form in MEASURES for name in PRECISIONS]
    errors: list[Column[Any]] = [
        Column(form, itemgetter(form), "{0[median]:.1e} (at most {0[max]:.1e})".format)
        for form in forms
    ]
    return bare_markdown([name_column("network"), *errors], named(found["networks"]))
