"""What was measured at the end of a task, and whether that still holds when all plugins are done."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import nn

from avalanche_mas.importance.result.fingerprint import fingerprint
from avalanche_mas.plugins.tasks import Part


class Ending(NamedTuple):
    """The data that were measured on, and digests of the buffers as they were then."""

    parts: Sequence[Part]
    buffers: dict[str, str]

    @classmethod
    def of(cls, model: nn.Module, parts: Sequence[Part]) -> Ending:
        """Return what has just been measured."""
        return cls(parts, _digests(model))

    def holds(self, model: nn.Module) -> bool:
        """Return whether the buffers, such as running statistics, are what they were."""
        now = _digests(model)
        return all(now.get(name, digest) == digest for name, digest in self.buffers.items())

    def repeatable(self) -> list[Part]:
        """Return the data that can be read again, and warn if there were others."""
        again = [part for part in self.parts if not isinstance(part.data, Iterator)]
        if len(again) < len(self.parts):
            warnings.warn(
                "the model was changed after update_importance; what it was given can be read "
                "only once, so that Ω does not include it. Call it when train() has returned",
                stacklevel=2,
            )
        return again


def _digests(model: nn.Module) -> dict[str, str]:
    """Return digests of what the output depends on beside the parameters."""
    return fingerprint({n: b for n, b in model.named_buffers() if b.is_floating_point()})
