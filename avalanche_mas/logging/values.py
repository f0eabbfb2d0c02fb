"""Conversion of Avalanche's metric values for wandb, in two steps.

`kept` copies a value to a picklable form that neither changes nor needs a device; `shown` makes the
object to log from it. These are separate because wandb binds a logged object to its run for good.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import wandb
from avalanche.evaluation.metric_results import AlternativeValues, TensorImage
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from wandb.sdk.data_types.base_types.wb_value import WBValue

CHARTS = (wandb.plot.CustomChart, WBValue)
SUPPORTED = (*CHARTS, Figure, Image.Image, TensorImage, Tensor, np.ndarray, np.generic, Real, str)
TABLE_CELLS = 2**16
"""The maximum number of cells of a matrix shown as a table: a confusion matrix of 256 classes."""


def kept(value: Any) -> Any:
    """Return a copy of a value; of alternative values, of the first supported one.

    Numbers become Python numbers, images and figures PIL images, matrices NumPy arrays, and other
    arrays histograms of their finite elements; texts and wandb's own objects keep their type.

    Args:
        value: a metric's value.

    Raises:
        TypeError: values of this type are not supported.
    """
    if isinstance(value, AlternativeValues):
        value = value.best_supported_value(*SUPPORTED)
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return _array(value)
    if isinstance(value, CHARTS):
        return copy.deepcopy(value)
    if isinstance(value, TensorImage):
        return _picture(value.image.detach().cpu())
    if isinstance(value, Figure):
        return _drawn(value)
    if isinstance(value, Image.Image):
        return value.copy()
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"values of type {type(value).__name__} are not supported")


def shown(value: Any) -> Any:
    """Return the object to log for a value from `kept`."""
    if isinstance(value, Image.Image):
        return wandb.Image(value)
    if isinstance(value, np.ndarray):
        return _table(value)
    return copy.deepcopy(value)


def saved(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of values from `kept` as numbers, texts, arrays and collections of them.

    Of wandb's own objects, all but histograms and tables are left out: only wandb can write them.
    """
    found = {}
    for name, value in row.items():
        if isinstance(value, Image.Image):
            found[name] = {"pixels": np.asarray(value), "mode": value.mode}
        elif isinstance(value, wandb.Histogram):
            found[name] = {"counts": list(value.histogram), "edges": list(value.bins)}
        elif type(value) is wandb.Table:
            found[name] = {"columns": value.columns, "data": value.data}
        elif not isinstance(value, CHARTS):
            found[name] = value
    return found


def unsaved(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that `saved` was given."""
    found = dict(row)
    for name, value in row.items():
        if isinstance(value, Mapping) and "pixels" in value:
            found[name] = Image.fromarray(value["pixels"], value["mode"])
        elif isinstance(value, Mapping) and "columns" in value:
            found[name] = wandb.Table(**value)
        elif isinstance(value, Mapping):
            found[name] = wandb.Histogram(np_histogram=(value["counts"], value["edges"]))
    return found


def _array(value: Tensor | npt.NDArray[Any] | np.generic) -> Any:
    """Return a single element as a number or text, a matrix unchanged, other arrays as a histogram."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.is_floating_point():  # NumPy lacks some of torch's types, and float64 holds all
            value = value.double()
        value = value.numpy()
    kind = value.dtype.kind
    if value.size == 1 and kind in "biuU":
        return value.item()
    if kind not in "biuf":
        raise TypeError(f"arrays of type {value.dtype} are not supported")
    if value.size == 1:
        return float(value.item())
    if value.ndim == 2 and 0 < value.size <= TABLE_CELLS:
        return np.array(value)
    elements = np.asarray(value, dtype=np.float64)
    return wandb.Histogram(np_histogram=np.histogram(elements[np.isfinite(elements)]))


def _table(matrix: npt.NDArray[Any]) -> wandb.Table:
    """Return a matrix [R, C] as a table with numbered rows; NaN, which tables lack, becomes empty."""
    columns = ["row", *map(str, range(matrix.shape[1]))]
    rows = [[None if x != x else x for x in row] for row in matrix.tolist()]
    return wandb.Table(columns=columns, data=[[n, *row] for n, row in enumerate(rows)])


def _picture(image: Tensor) -> Image.Image:
    """Return the image of a tensor [C, H, W] of bytes, or of floats, which are clipped to [0, 1]."""
    if image.is_floating_point():
        image = (image.float().clamp(0, 1) * 255).round().to(torch.uint8)
    pixels: Image.Image = to_pil_image(image)
    return pixels


def _drawn(figure: Figure) -> Image.Image:
    """Return an image of a figure as it is now."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return Image.open(drawn).copy()
