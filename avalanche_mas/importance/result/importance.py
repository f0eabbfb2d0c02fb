"""The Importance mapping: Ω and what it was measured with."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import deprecated

from avalanche_mas.figure_style import drawn
from avalanche_mas.files import parse_json
from avalanche_mas.importance.result.bars import layers_figure
from avalanche_mas.importance.result.checks import (
    check_digests,
    check_entries,
    check_names,
    check_shapes,
)
from avalanche_mas.importance.result.files import load_tensors, save_tensors
from avalanche_mas.importance.result.fingerprint import as_digests
from avalanche_mas.importance.result.fingerprint import fingerprint as digests_of
from avalanche_mas.importance.result.histogram import histogram_figure, ridges
from avalanche_mas.importance.result.measure import Measure, check_measure
from avalanche_mas.importance.result.ranked import ranked
from avalanche_mas.importance.result.summary import Summary, summarise
from avalanche_mas.names import parameters_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT, VERSION = "avalanche_mas.importance", "1"


class Importance(Mapping[str, Tensor]):
    """Ω by parameter name: the mean over ``samples`` samples of the absolute per-sample gradient.

    It can be read as a mapping, but not written to.

    Args:
        values: Ω by parameter name, each in its parameter's shape, not negative, of a floating dtype.
        samples: N, the number of samples in the mean.
        measure: what was measured.
        fingerprint: `fingerprint(...)` of the same parameters when Ω was measured; None: not known.

    Attributes:
        samples: the number of samples in the mean.
        measure: what was measured.
        fingerprint: a digest by parameter name, or None.

    Raises:
        TypeError: a value is not a real floating tensor.
        ValueError: no values, N not a positive integer, an unknown measure, or a fingerprint of others.
    """

    def __init__(
        self,
        values: Mapping[str, Tensor],
        samples: int,
        *,
        measure: Measure = Measure(),  # noqa: B008 - it cannot be changed
        kind: str | None = None,
        fingerprint: Mapping[str, str] | None = None,
    ) -> None:
        if not values:
            raise ValueError("an importance needs at least one parameter, got none")
        for name, value in values.items():
            if not isinstance(value, Tensor) or not value.is_floating_point():
                found = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(f"the importance of {name!r} must be a float tensor, got {found}")
        if not isinstance(samples, int) or samples < 1:
            raise ValueError(f"samples must be a positive integer, got {samples!r}")
        if kind is not None:
            warnings.warn("kind= is now measure=", DeprecationWarning, stacklevel=2)
        measure = Measure.parse(str(measure) if kind is None else kind)
        if fingerprint is not None:
            check_names(fingerprint, values, "the fingerprint", "the importance")
        self._values = {name: value.detach() for name, value in values.items()}
        self.samples = samples
        self.measure = measure
        self.fingerprint = None if fingerprint is None else dict(fingerprint)

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Importance({str(self.measure)!r}, samples={self.samples}, parameters={len(self)})"

    @property
    @deprecated("Importance.kind is now Importance.measure, which has fields")
    def kind(self) -> str:
        """The measure as a string."""
        return str(self.measure)

    def check_start(self, parameters: Mapping[str, Tensor], measure: Measure) -> None:
        """Check that measuring can go on from here, for these parameters and this measure.

        Args:
            parameters: the parameters to be measured, by name.
            measure: what is to be measured.

        Raises:
            ValueError: the names, the shapes or the measure differ, or the values of the parameters
                from those that Ω was measured with, where these are known. The first difference
                is named.
        """
        remedy = "; parameters= chooses what is measured"
        check_names(self, parameters, "start", "the model", remedy)
        check_shapes(self, parameters, "start", "the model")
        check_measure(self.measure, measure, "start", "this measurement")
        self._check_values_of(parameters, "measure anew, without start=")

    def merge(self, other: Importance) -> Importance:
        """Merge two measurements on different samples: (N Ω + M Ω') / (N + M).

        This is what one measurement on all samples would have given.

        Args:
            other: an importance of the same measure and parameters, on any device, of any dtype.

        Returns:
            The mean over all N + M samples, on this one's devices, in the wider dtype. Its
            fingerprint is known where both are.

        Raises:
            TypeError: ``other`` is not an `Importance`.
            ValueError: names, shapes, measures, or fingerprints where both are known, differ. The
                first difference is named.
        """
        if not isinstance(other, Importance):
            raise TypeError(f"only an Importance can be merged, got {type(other).__name__}")
        check_names(self, other, "this importance", "the other")
        check_shapes(self, other, "this importance", "the other")
        check_measure(self.measure, other.measure, "this importance", "the other")
        known = self.fingerprint if other.fingerprint is not None else None
        if known is not None and other.fingerprint is not None:
            check_digests(known, other.fingerprint, "merge what was measured on one model only")
        samples = self.samples + other.samples
        values = {}
        for name, mine in self.items():
            dtype = torch.promote_types(mine.dtype, other[name].dtype)
            theirs = other[name].to(mine.device, dtype)
            values[name] = (mine.to(dtype) * (self.samples / samples)).add_(
                theirs, alpha=other.samples / samples
            )
        return Importance(values, samples, measure=self.measure, fingerprint=known)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Importance:
        """Move to a device, convert to a floating dtype, or both; None leaves it as it is.

        As with tensors, what is already there is not copied.

        Raises:
            ValueError: the dtype is not a floating one, or too narrow for an entry.
        """
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"an importance needs a floating dtype such as float32, got {dtype}")
        values = {name: value.to(device=device, dtype=dtype) for name, value in self.items()}
        for name, value in values.items():
            if value.dtype != self[name].dtype and value.isinf().any():
                raise ValueError(
                    f"the importance of {name!r} reaches {self[name].max().item():g}, which "
                    f"{value.dtype} cannot hold; use a wider dtype"
                )
        return Importance(values, self.samples, measure=self.measure, fingerprint=self.fingerprint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, with what `load` needs to check that it fits.

        The file is written completely or not at all.

        Raises:
            FileNotFoundError: there is no folder for the file.
            ValueError: an entry is NaN, infinite or negative.
        """
        for name, value in self.items():
            check_entries(name, value)
        metadata = {
            "format": FORMAT,
            "version": VERSION,
            "samples": str(self.samples),
            "kind": str(self.measure),
            "parameters": json.dumps(list(self)),
            "fingerprint": json.dumps(self.fingerprint),
        }
        save_tensors(path, self._values, metadata)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        model: nn.Module | None = None,
        device: torch.device | str | None = None,
        *,
        parameters: Iterable[str] | None = None,
    ) -> Importance:
        """Read what `save` wrote; with a model, check that Ω was measured on it.

        A model with other parameters, or trained since, is refused, as Ω holds only where it was
        measured. Without a model, nothing is checked.

        Args:
            path: the file.
            model: the model that Ω is to be used with.
            device: where to put Ω (default: the CPU).
            parameters: with a model: the names that Ω must be of, no more and no fewer, as given
                to the measurement. Default: Ω must have all parameters that require a gradient,
                and may have others of the model.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or not an importance of this version; or it does not
                fit the model: the first difference in names, shapes and values is named.
        """
        if model is None and parameters is not None:
            raise ValueError("parameters= are checked against a model; give model= too")
        omega = cls._from_file(path, *load_tensors(path))
        if model is not None:
            omega._check_model(str(path), model, parameters)
        return omega.to(device)

    def summary(self) -> Summary:
        """Summarise Ω by layer: `print` shows a table, ``rows`` and ``total`` hold the numbers."""
        return summarise(self, self.samples, self.measure)

    def histogram(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the distribution of Ω in each layer, on a logarithmic axis.

        Entries that are zero have no place on that axis; their share of the layer is written beside
        it, and the layer's share of ΣΩ. The axis may begin above the lowest 0.1 % of a layer's
        entries, which are then part of its first bin.

        Args:
            path: a PNG or PDF file to write the figure to.

        Returns:
            The figure, a `matplotlib.figure.Figure`, which a notebook shows.

        Raises:
            FileNotFoundError: there is no folder for the file.
            ValueError: the name ends neither in .png nor in .pdf; an entry is NaN, infinite or
                negative; or Ω is zero everywhere.
        """
        for name, value in self.items():
            check_entries(name, value)
        return drawn(lambda: histogram_figure(ridges(ranked(self))), path)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw Ω by layer: each layer's share of ΣΩ, and its mean.

        The argument, the result and the errors are those of `histogram`. `layers_figure` draws the same
        of any mapping, such as a plugin's ``importance`` of all tasks.
        """
        return drawn(lambda: layers_figure(self), path)

    @classmethod
    def _from_file(
        cls, path: str | os.PathLike[str], values: dict[str, Tensor], metadata: dict[str, str]
    ) -> Importance:
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path} has tensors, but no importance; Importance.save writes one")
        if metadata.get("version") != VERSION:
            raise ValueError(
                f"{path} is of version {metadata.get('version')!r}, this code reads {VERSION!r}; "
                f"read it with the release that wrote it, or measure again"
            )
        try:
            names = parse_json(metadata["parameters"])
            check_names(dict.fromkeys(names), values, "its list of parameters", "the file")
            for name in names:
                check_entries(name, values[name])
            return cls(
                {name: values[name] for name in names},
                int(metadata["samples"]),
                measure=Measure.parse(metadata["kind"]),
                fingerprint=as_digests(parse_json(metadata["fingerprint"])),
            )
        except KeyError as error:
            reason = f"it lacks {error} in its metadata"
            raise ValueError(f"{path} is damaged: {reason}; measure again") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error}; measure again") from error

    def _check_model(self, path: str, model: nn.Module, chosen: Iterable[str] | None) -> None:
        every = parameters_of(model)
        if chosen is None:
            expected = {n: p for n, p in every.items() if p.requires_grad or n in self}
            remedy = "; parameters= says what it should be of"
            check_names(self, expected, path, "the model", remedy)
        else:
            names = dict.fromkeys(chosen)
            check_names(self, names, path, "parameters=")
            expected = {n: p for n, p in every.items() if n in names}
            check_names(names, expected, path, "the model")
        check_shapes(self, expected, path, "the model")
        self._check_values_of(expected, f"load without model= to use {path} nevertheless")

    def _check_values_of(self, parameters: Mapping[str, Tensor], remedy: str) -> None:
        if self.fingerprint is not None:
            check_digests(self.fingerprint, digests_of(parameters), remedy)
