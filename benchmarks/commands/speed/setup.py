"""The setup of a measurement, and how a suite is measured row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as networks

GPU_BATCHES = {
    "alexnet": 200,
    "resnet50": 64,
    "vit_b_16": 64,
    "resnet18": 64,
    "vgg11": 32,
    "mobilenet_v2": 64,
}
"""Networks of `Setup.network`, in order of worth, and the samples in a batch of each on a GPU."""


@dataclass(frozen=True)
class Setup:
    """Where and how a suite is measured.

    `quick` means small sizes, which run the same code in seconds. Suites that train use the
    real data in `root`, or skip these rows.
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

    def network(self, name: str, samples: int, **options: Any) -> tuple[nn.Module, Tensor]:
        """Return "mlp" or a network of torchvision with random weights, and a batch of random images."""
        torch.manual_seed(0)
        make = _mlp if name == "mlp" else getattr(networks, name)
        shape = (1, 28, 28) if name == "mlp" else (3, self.side, self.side)
        model: nn.Module = make(**options).to(self.device)
        return model, torch.randn(samples, *shape, device=self.device)

    def wait(self) -> None:
        """Wait until the device has finished its work."""
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


def _mlp(num_classes: int = 10) -> nn.Module:
    """Return the network of the authors' demo."""
    hidden = nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, num_classes))


def measure_rows(
    found: Mapping[str, Any],
    rows: Mapping[str, Callable[[], Any]],
    setup: Setup,
    key: str = "networks",
) -> Iterator[dict[str, Any]]:
    """Measure rows in turn, and yield everything found so far after each.

    If a row fails, its error goes under `"failed"`, and the next row is measured.

    `found` is what is known beforehand. The rows are in order of worth, and each returns plain
    data, which goes under `key`.
    """
    found = {**found, key: {}, "failed": {}}
    for name, measure in rows.items():
        setup.progress(name)
        try:
            found[key][name] = measure()
        except Exception as error:
            found["failed"][name] = f"{type(error).__name__}: {error}"
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()
        yield found
