"""Python values as JSON and tensors, and back, without running anything that a file names.

Numbers, texts, containers and tensors are written as they are. An object is written as its class and
its attributes. It is read into the object that stands in its place; only where there is none is one
made, and then only of the classes in `VALUE_ROOMS`, without calling its constructor.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from avalanche.evaluation.metric_results import AlternativeValues
from avalanche.logging import BaseLogger
from torch import Tensor

from avalanche_mas.checkpoint.rooms import ROOMS, VALUE_ROOMS, room_of, value_class
from avalanche_mas.checkpoint.rooms import CheckpointError as CheckpointError

_FUNCTIONS = ("zeros", "ones", "zeros_like", "ones_like")
"""Functions of torch that may be an attribute."""

_FACTORIES: dict[str, Callable[[], Any]] = {
    kind.__name__: kind for kind in (list, int, dict, set, float)
}
_PLAIN = (bool, int, str, type(None))
_SEQUENCES: dict[str, type[Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "size": torch.Size,
}
_KINDS = {kind: name for name, kind in _SEQUENCES.items()}

_NONE = object()

WRONG = (
    *(AttributeError, IndexError, KeyError, OverflowError, RecursionError, RuntimeError),
    *(StopIteration, TypeError, ValueError),
)
"""What a content that is not that of a checkpoint may raise."""


class Special(Protocol):
    """How values are written that need to know more than themselves: data sets and modules."""

    def encode(self, value: Any, encoder: Encoder, where: str) -> Any:
        """Return JSON for the value, or None if it is not of these kinds."""
        ...

    def decode(self, content: Any, decoder: Decoder, live: Any) -> Any:
        """Return the value of JSON that `encode` returned."""
        ...


class Encoder:
    """Turns values into JSON.

    Args:
        special: How data sets and modules are written.
        kept: Objects that the new run has as well, such as plugins that refer to each other; they are
            not written where they are attributes.
        by_attributes: Objects outside `ROOMS` that are written attribute by attribute all the same.

    Attributes:
        tensors: The tensors, by the names that the JSON has for them.
    """

    def __init__(
        self, special: Special, kept: Iterable[Any], by_attributes: Iterable[Any] = ()
    ) -> None:
        self.special, self._kept = special, {id(one) for one in kept}
        self._by_attributes = {id(one) for one in by_attributes}
        self.tensors: dict[str, Tensor] = {}
        # By identity, which holds as long as the tensor.
        self._names: dict[int, tuple[str, Tensor]] = {}

    def encode(self, value: Any, where: str) -> Any:
        """Return the JSON of a value.

        Args:
            value: The value.
            where: Its place, for messages.

        Raises:
            CheckpointError: It cannot be written.
        """
        if self._stays(value):
            return {"kept": type(value).__name__}
        found = self._simple(value, where)
        if found is _NONE:
            found = self.special.encode(value, self, where)
        if found is None and value is not None:
            found = self.encode_object(value, where)
        return found

    def _simple(self, value: Any, where: str) -> Any:
        if type(value) in _PLAIN:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if type(value) is list:
            return [self.encode(each, f"{where}[{k}]") for k, each in enumerate(value)]
        if type(value) in _KINDS:
            return {_KINDS[type(value)]: [self.encode(each, where) for each in value]}
        if isinstance(value, deque):
            return {"deque": [self.encode(each, where) for each in value], "maxlen": value.maxlen}
        if type(value) in (dict, OrderedDict, defaultdict):
            return self._mapping(value, where)
        if isinstance(value, Tensor):
            return self.special.encode(value, self, where) or {"tensor": self.add(value)}
        if isinstance(value, np.ndarray | np.generic):
            return {
                "array": self.add(torch.from_numpy(np.atleast_1d(value).copy())),
                "shape": value.shape,
            }
        if isinstance(value, torch.device):
            return {"device": str(value)}
        return {"torch": value.__name__} if _is_function(value) else _NONE

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Any:
        items = [
            [self.encode(key, where), self.encode(each, f"{where}[{key!r}]")]
            for key, each in value.items()
        ]
        factory = getattr(value, "default_factory", None)
        name = getattr(factory, "__name__", None)
        if isinstance(factory, type) and room_of(factory).startswith(VALUE_ROOMS):
            name = room_of(factory)
        elif factory and _FACTORIES.get(name or "") is not factory and where.endswith("]"):
            raise CheckpointError(
                f"{where} is a defaultdict with a function of its own, which a newly built strategy lacks: "
                f"take one of {', '.join(_FACTORIES)}, or a dict with setdefault()"
            )
        return {"dict": items, "factory": name} if factory else {"dict": items}

    def add(self, tensor: Tensor) -> str:
        """Keep a tensor, and return its name."""
        name, _ = self._names.setdefault(id(tensor), (str(len(self._names)), tensor))
        self.tensors[name] = tensor.detach()
        return name

    def encode_object(self, value: Any, where: str) -> Any:
        """Return the JSON of an object: its own state, its attributes, or of a figure the text.

        Raises:
            CheckpointError: It has no state of its own, and is not of a known package.
        """
        if isinstance(value, AlternativeValues):  # a figure or table, which has been shown
            return str(value)
        if callable(getattr(value, "state_dict", None)) and hasattr(value, "load_state_dict"):
            return {"own": self.encode(value.state_dict(), where)}
        known = room_of(type(value)).startswith(ROOMS) or id(value) in self._by_attributes
        if not known and not callable(value):
            raise CheckpointError(
                f"{where} is a {type(value).__name__}, whose state cannot be saved: give it state_dict() "
                "and load_state_dict(), or name the plugin in by_attributes= if its attributes are all "
                "that it keeps, or in skip= if it keeps nothing that matters"
            )
        attributes = {n: self.encode(each, f"{where}.{n}") for n, each in vars(value).items()}
        return {"object": room_of(type(value)), "attributes": attributes}

    def _stays(self, value: Any) -> bool:
        """Return whether a value is part of the script, not of the state."""
        kinds = (BaseLogger, logging.Logger)
        plain = inspect.isroutine(value) or isinstance(value, type | partial)
        script = callable(value) and (plain or not getattr(value, "__dict__", None))
        own = hasattr(value, "load_state_dict") or room_of(type(value)).startswith(ROOMS)
        script = script and not own and not _is_function(value)
        return id(value) in self._kept or isinstance(value, kinds) or script


class Decoder:
    """Turns the JSON of an `Encoder` into values again.

    Args:
        special: How data sets and modules are read.
        tensors: The tensors, by name.
    """

    def __init__(self, special: Special, tensors: Mapping[str, Tensor]) -> None:
        self.special, self.tensors = special, tensors

    def decode(self, content: Any, live: Any = None) -> Any:
        """Return a value.

        Args:
            content: Its JSON.
            live: What stands in its place now. An object is filled, and is the result.

        Raises:
            CheckpointError: The JSON is not of an `Encoder`, or of other objects than there are.
        """
        try:
            return self._decoded(content, live)
        except CheckpointError:
            raise
        except WRONG as error:
            raise CheckpointError(f"the content is not that of a checkpoint ({error!r})") from error

    def _decoded(self, content: Any, live: Any) -> Any:
        if isinstance(content, (*_PLAIN, float)):
            return content
        if isinstance(content, list):
            return self._list(content, live)
        kind, inner = next(iter(content.items()))
        return self._tagged(kind, inner, content, live)

    def _list(self, content: list[Any], live: Any) -> Any:
        """Return a list; the one that is there is filled, as others may hold it, too."""
        here = live if isinstance(live, list) else []
        if all(isinstance(each, dict) and "kept" in each for each in content) and content:
            return here  # such as loggers, of which there may be others now
        beside = here if len(here) == len(content) else [None] * len(content)
        found = [self.decode(each, one) for each, one in zip(content, beside, strict=True)]
        here[:] = found
        return here

    def _tagged(self, kind: str, inner: Any, content: dict[str, Any], live: Any) -> Any:
        if kind in _SEQUENCES:
            return _SEQUENCES[kind]([self.decode(each) for each in inner])
        read = _READ.get(kind)
        return (
            read(self, inner, content, live) if read else self.special.decode(content, self, live)
        )

    def _own(self, content: Any, live: Any) -> Any:
        state = self.decode(content)
        if not hasattr(live, "load_state_dict"):
            raise CheckpointError(
                f"the checkpoint has the state of an object ({', '.join(map(str, list(state)[:3]))}), and "
                "the strategy nothing in its place; make that object in the strategy's constructor"
            )
        live.load_state_dict(state)
        return live

    def _dict(self, items: list[Any], factory: str | None, live: Any) -> Any:
        before = live if isinstance(live, dict) else {}
        found: dict[Any, Any] = {}
        for key, each in items:
            name = self.decode(key)
            found[name] = self.decode(each, before.get(name))
        if isinstance(live, dict):
            live.clear()
            live.update(found)
            return live
        if factory is None:
            return found
        return defaultdict(_FACTORIES.get(factory) or value_class(factory), found)

    def _object(self, name: str, attributes: dict[str, Any], live: Any) -> Any:
        if room_of(type(live)) != name:
            kind = value_class(name)
            live = kind.__new__(kind)
        for attribute, each in attributes.items():
            vars(live)[attribute] = self.decode(each, vars(live).get(attribute))
        return live


_READ: dict[str, Callable[[Decoder, Any, dict[str, Any], Any], Any]] = {
    "kept": lambda _, __, ___, live: live,
    "float": lambda _, inner, *__: float(inner),
    "deque": lambda self, inner, content, _: deque(map(self.decode, inner), content["maxlen"]),
    "dict": lambda self, inner, content, live: self._dict(inner, content.get("factory"), live),
    "tensor": lambda self, inner, *_: self.tensors[inner],
    "array": lambda self, inner, content, _: _array(self.tensors[inner], content["shape"]),
    "device": lambda _, inner, *__: torch.device(inner),
    "torch": lambda _, inner, *__: getattr(torch, _FUNCTIONS[_FUNCTIONS.index(inner)]),
    "own": lambda self, inner, _, live: self._own(inner, live),
    "object": lambda self, inner, content, live: self._object(inner, content["attributes"], live),
}
"""How a value is read, by its tag, from what the tag holds, all of its JSON, and what is there now."""


def _is_function(value: Any) -> bool:
    name = getattr(value, "__name__", None)
    return name in _FUNCTIONS and getattr(torch, name) is value


def _array(tensor: Tensor, shape: list[int]) -> Any:
    """Return an array of that shape, or a number of NumPy's if it has none."""
    if any(size < 0 for size in shape):
        raise ValueError(f"no shape: {shape}")
    return tensor.numpy().reshape(shape) if shape else tensor.numpy()[0]
