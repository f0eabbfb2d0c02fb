"""Which tensors of a batch hold one row per sample, and how a batch is cut into samples.

A batch may also hold tensors that belong to all samples alike: class prototypes, a graph, a mask that
is broadcast. The number of rows alone does not tell them apart where it equals the number of samples by
chance. So the decision is made once for each place in the batch, such as ``['prototypes']``, and then
holds for the whole pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

Place = str
"""Where something lies in a batch, as Python would index it: ``[0]``, ``['x']``, ``.image``."""


class Rows:
    """The places of a batch that hold one row per sample.

    A place is settled by the first batch of more than one sample: it holds one row per sample if it has
    as many rows as the first tensor. `Network.settle` checks that by running samples alone, and
    corrects it.

    Args:
        only_first: whether only the first entry of a tuple or list counts, as labels are not looked at.
    """

    def __init__(self, *, only_first: bool = False) -> None:
        self._per_sample: dict[Place, bool] = {}
        self._only_first = only_first

    def size(self, batch: Any) -> int:
        """Return the number of samples, B, and settle the places that are new.

        Raises:
            TypeError: the batch holds no tensor with a first dimension.
            ValueError: a place that holds one row per sample has another number of rows.
        """
        tensors = {place: leaf for place, leaf in self._leaves(batch) if _has_rows(leaf)}
        if not tensors:
            raise TypeError(
                f"a batch must be a Tensor, or a tuple, list, mapping or dataclass that holds one, with "
                f"the samples along its first dimension; got {_kind(batch)}. Give batches of tensors "
                f"(torch.as_tensor makes one of an array), and build from them in forward= what the "
                f"model takes"
            )
        known = [place for place in tensors if self._per_sample.get(place)]
        first = (known or list(tensors))[0]
        samples = len(tensors[first])
        for place, tensor in tensors.items() if samples else ():
            held = self._per_sample.get(place)
            if held and len(tensor) != samples:
                raise ValueError(
                    f"{_named(place)} has {len(tensor)} rows in a batch of {samples} samples "
                    f"({_named(first)}), but had one row per sample before; hand a tensor that belongs "
                    f"to all samples alike to the model in forward=, not in the batch"
                )
            if held is None and (samples > 1 or len(tensor) != 1):
                self._per_sample[place] = len(tensor) == samples
        return samples

    def select(self, batch: Any, samples: slice) -> Any:
        """Return the batch of these samples only; what belongs to all samples is kept whole."""
        return self._cut(batch, lambda rows: rows[samples])

    def reverse(self, batch: Any) -> Any:
        """Return the batch with its samples in reverse order."""
        return self._cut(batch, lambda rows: rows.flip(0))

    def split(self, batch: Any) -> tuple[dict[Place, Tensor], Callable[[dict[Place, Tensor]], Any]]:
        """Return the tensors with one row per sample, and a function that rebuilds the batch from rows."""
        samples = self.size(batch)
        held = {p: leaf for p, leaf in self._leaves(batch) if self._holds(p, leaf, samples)}
        return held, lambda rows: map_leaves(lambda place, leaf: rows.get(place, leaf), batch)

    def presumed(self, batch: Any) -> list[Place]:
        """Return the places presumed to have one row per sample because the first tensor has as many."""
        return [place for place, _ in self._leaves(batch) if self._per_sample.get(place)][1:]

    def settle(self, per_sample: Mapping[Place, bool]) -> None:
        """Set which places hold one row per sample."""
        self._per_sample.update(per_sample)

    def describe(self, batch: Any) -> str:
        """Return how a batch was cut into samples, or nothing if it is a single tensor."""
        leaves = self._leaves(batch)
        cut = [_named(place) for place in self.presumed(batch)]
        whole = [
            f"{_named(place)} ({type(leaf).__name__})"
            for place, leaf in leaves
            if not self._per_sample.get(place)
            and not isinstance(leaf, bool | int | float | None)
            and not (isinstance(leaf, Tensor) and not leaf.dim())
        ]
        parts = [f"{', '.join(cut[:4])} was cut into samples with it"] if cut else []
        parts += [f"{', '.join(whole[:4])} was given to every sample whole"] if whole else []
        return " and ".join(parts)

    def _leaves(self, batch: Any) -> list[tuple[Place, Any]]:
        leaves = leaves_of(batch)
        if self._only_first and isinstance(batch, tuple | list):
            return [(place, leaf) for place, leaf in leaves if place.startswith("[0]")]
        return leaves

    def _holds(self, place: Place, leaf: Any, samples: int) -> bool:
        return _has_rows(leaf) and self._per_sample.get(place, len(leaf) == samples)

    def _cut(self, batch: Any, function: Callable[[Tensor], Tensor]) -> Any:
        held, rebuild = self.split(batch)
        return rebuild({place: function(rows) for place, rows in held.items()})


def map_leaves(function: Callable[[Place, Any], Any], batch: Any, place: Place = "") -> Any:
    """Return a batch of the same structure, with ``function(place, leaf)`` in place of every leaf.

    Tuples, lists, mappings, dataclasses and what is registered with torch's pytree are looked into.
    They are copied, never changed.
    """

    def inner(key: str, value: Any) -> Any:
        return map_leaves(function, value, f"{place}{key}")

    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(inner(f".{n}", v) for n, v in zip(batch._fields, batch, strict=True)))
    if isinstance(batch, tuple | list):
        return type(batch)(inner(f"[{i}]", value) for i, value in enumerate(batch))
    if isinstance(batch, Mapping):
        return _refilled(batch, {key: inner(f"[{key!r}]", value) for key, value in batch.items()})
    if is_dataclass(batch) and not isinstance(batch, type):
        held = [field.name for field in fields(batch) if hasattr(batch, field.name)]
        made = copy.copy(batch)
        for name in held:
            object.__setattr__(made, name, inner(f".{name}", getattr(batch, name)))
        return made
    leaves, spec = pytree.tree_flatten(batch, is_leaf=lambda part: part is not batch)
    if len(leaves) == 1 and leaves[0] is batch:
        return function(place, batch)
    return pytree.tree_unflatten([inner(f"[{i}]", leaf) for i, leaf in enumerate(leaves)], spec)


def leaves_of(batch: Any) -> list[tuple[Place, Any]]:
    """Return the leaves of a batch with their places, in order."""
    found: list[tuple[Place, Any]] = []

    def look(place: Place, leaf: Any) -> Any:
        found.append((place, leaf))
        return leaf

    map_leaves(look, batch)
    return found


def _refilled(mapping: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """Return a mapping of the same type with other values; a dict in place of a read-only one."""
    if type(mapping) is dict or not isinstance(mapping, MutableMapping):
        return values
    made = copy.copy(mapping)
    for key, value in values.items():
        made[key] = value
    return made


def _has_rows(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.dim() > 0


def _kind(batch: Any) -> str:
    kind = type(batch).__name__
    if not isinstance(batch, tuple | list):
        return kind
    return f"{kind} ({', '.join(type(entry).__name__ for entry in batch[:4])})"


def _named(place: Place) -> str:
    return f"the batch's {place}" if place else "the batch"
