"""Compile what is launched for GPUs, without one: `python -m tests.importance.kernels.compiled all 80 90`.

Print a line for each layer, or with `few` for some: its kernel's tile, the registers of a thread, the bytes
of them that are spilled, and the shared bytes of a program.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.kernels import convolution, depthwise, launch, products
from avalanche_mas.importance.kernels.launch import (
    add_convolution_magnitudes,
    add_product_magnitudes,
)

Case = tuple[str, Callable[[], None]]


class Gpu:
    """A driver of a GPU that nothing is launched on."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return self.capability

    def get_current_stream(self, _device: int | None = None) -> int:
        return 0


class Compiled:
    """A kernel that is compiled for what it would be launched with, and not launched."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*args: Any, **options: Any) -> None:
            found.append((self.kernel, options, self.kernel.warmup(*args, grid=grid, **options)))

        return launch


found: list[tuple[Any, dict[str, Any], Any]] = []


def convolve(
    channels: int, outputs: int, size: int, kernel: int, *more: int, entries: int = 1, **how: Any
) -> None:
    """Add up a convolution of ``more`` = stride, padding, groups, with tensors of zeros."""
    stride, padding, groups = (*more, *(1, 0, 1)[len(more) :])
    conv = Convolution(*((n, n) for n in (kernel, stride, padding, 1)), groups)
    positions = (size + 2 * padding - kernel) // stride + 1
    dtype, last = how.pop("dtype", torch.float32), how.pop("last", False)
    delta = torch.zeros(8, entries, outputs, positions, positions, dtype=dtype)
    images = torch.zeros(8, entries, channels, size, size, dtype=dtype)
    if last:
        delta, images = (t.movedim(2, -1).contiguous().movedim(-1, 2) for t in (delta, images))
    total = torch.zeros(outputs, channels // groups, kernel, kernel)
    add_convolution_magnitudes(total, delta, images, conv, square=False, **how)


def multiply(outputs: int, inputs: int, positions: int, dtype: torch.dtype, **how: Any) -> None:
    """Add up a linear layer, with tensors of zeros."""
    left = torch.zeros(8, positions, outputs, dtype=dtype).transpose(1, 2)
    right, total = torch.zeros(8, positions, inputs, dtype=dtype), torch.zeros(outputs, inputs)
    add_product_magnitudes(total, left, right, square=False, **how)


def few() -> Iterator[Case]:
    yield "linear", partial(multiply, 3072, 768, 197, torch.float32, precision="tf32")
    yield "3×3", partial(convolve, 128, 128, 28, 3, 1, 1, precision="tf32")
    yield "depthwise", partial(convolve, 96, 96, 28, 3, 1, 1, 96, precision="tf32")
    yield "all of size one", partial(convolve, 1, 1, 1, 1, precision="tf32", entries=2)


def every() -> Iterator[Case]:
    yield from few()
    for precision in ("ieee", "tf32", "tf32x3"):
        yield (
            f"linear, {precision}",
            partial(multiply, 3072, 768, 197, torch.float32, precision=precision),
        )
        for last in (False, True):
            how = {"precision": precision, "last": last}
            yield f"1×1, {how}", partial(convolve, 256, 256, 14, 1, **how)
            yield f"3×3, {how}", partial(convolve, 128, 128, 28, 3, 1, 1, **how)
            yield f"first, {how}", partial(convolve, 3, 64, 224, 7, 2, 3, **how)
    half: dict[str, Any] = {"precision": "tf32", "dtype": torch.bfloat16}
    yield "linear, bfloat16", partial(multiply, 3072, 768, 197, **half)
    for last in (False, True):
        yield f"3×3, bfloat16, {last=}", partial(convolve, 128, 128, 28, 3, 1, 1, last=last, **half)
        yield f"first, bfloat16, {last=}", partial(convolve, 3, 64, 224, 7, 2, 3, last=last, **half)
        yield (
            f"depthwise, bfloat16, {last=}",
            partial(convolve, 96, 96, 56, 7, 1, 3, 96, last=last, **half),
        )
    yield "entries", partial(convolve, 128, 128, 28, 3, 1, 1, precision="tf32", entries=2)


def resources(binary: Any) -> dict[str, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        command = [str(tool), "--dump-resource-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = {name: int(re.search(rf"{name}:(\d+)", said)[1]) for name in ("REG", "STACK")}
    return {"registers": used["REG"], "spilled": used["STACK"], "shared": binary.metadata.shared}


def show(capability: int, name: str, case: Callable[[], None]) -> None:
    case()
    kernel, options, binary = found.pop()
    tile = [n for key, n in options.items() if key.startswith("BLOCK")]
    row = {"layer": name, "capability": capability, "kernel": kernel.fn.__name__, "tile": tile}
    row |= {"warps": options["num_warps"], **resources(binary)}
    print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    products.products = Compiled(products.products)
    convolution.convolution = Compiled(convolution.convolution)
    depthwise.depthwise = Compiled(depthwise.depthwise)
    launch.processors = lambda _device: 132
    for capability in map(int, sys.argv[2:]):
        triton.runtime.driver.set_active(Gpu(capability))
        for name, case in every() if sys.argv[1] == "all" else few():
            show(capability, name, case)
