"""What every suite is told, and how a suite is measured row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch


@dataclass(frozen=True)
class Setup:
    """Where and how a suite is measured.

    Attributes:
        device: The device that is measured.
        quick: Small sizes: the same code in seconds, to see that it works.
        progress: Takes a line on what is going on.
        root: The folder of the real data, for suites that train; `None` to leave these rows out.
    """

    device: torch.device
    quick: bool = False
    progress: Callable[[str], None] = print
    root: Path | None = None

    @property
    def size(self) -> str:
        """The name of the sizes to measure: `"quick"`, `"cpu"` or `"cuda"`."""
        return "quick" if self.quick else self.device.type

    @property
    def side(self) -> int:
        """Height and width of the images in pixels."""
        return 64 if self.quick else 224

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_bytes(self, call: Callable[[], object]) -> int | None:
        """Return by how many bytes `call` raises the memory allocated on a GPU; else `None`."""
        if self.device.type != "cuda":
            return None
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        call()
        self.wait()
        return torch.cuda.max_memory_allocated(self.device) - before


class Row(NamedTuple):
    """A part of a suite that is measured on its own.

    Attributes:
        name: What it is called in the results.
        measure: Returns what was found, as plain data.
    """

    name: str
    measure: Callable[[], Any]


def measured(
    found: dict[str, Any], rows: Iterable[Row], setup: Setup, key: str = "networks"
) -> Iterator[dict[str, Any]]:
    """Measure rows in turn and yield all that was found so far after each.

    A row that fails costs itself only: its error stands under `"failed"`, and the next is measured.

    Args:
        found: What is known beforehand.
        rows: The rows, in order of worth.
        setup: Where and how to measure.
        key: Where the rows go in `found`.
    """
    found = {**found, key: {}, "failed": {}}
    for row in rows:
        setup.progress(row.name)
        try:
            found[key][row.name] = row.measure()
        except Exception as error:
            found["failed"][row.name] = f"{type(error).__name__}: {error}"
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()
        yield found
