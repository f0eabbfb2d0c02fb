"""Compile the kernels for GPUs, without one: `python -m tests.importance.kernels.compiled all 80 90`.

Print a line for each kernel, type and tile of the table, or with `few` for one type and tile:
registers of a thread, bytes spilled, shared bytes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from avalanche_mas.importance.kernels.convolution import convolution
from avalanche_mas.importance.kernels.depthwise import depthwise
from avalanche_mas.importance.kernels.plans import Size, depthwise_tile, product_tile
from avalanche_mas.importance.kernels.products import products

LARGE = Size(64, 4096, 512, 512)
KINDS = (("fp32", "ieee"), ("fp32", "tf32"), ("fp32", "tf32x3"), ("bf16", "tf32"))
EVEN = re.compile(r"(left|right|delta|image)_[bmopi]|image_[cyx]|rows|columns|channels|positions")


def cases(whole: bool) -> Iterator[tuple[str, Any, str, dict[str, Any], dict[str, int]]]:
    """Yield names, kernels, types, constants and options."""
    for kind, precision in KINDS if whole else KINDS[1:2]:
        tile = product_tile(LARGE, precision, 4 if kind == "fp32" else 2)
        options = {"num_warps": tile.warps, "num_stages": tile.stages}
        blocks = {"BLOCK_O": tile.rows, "BLOCK_I": tile.columns, "BLOCK_P": tile.positions}
        flags = {"SPLIT": True, "SQUARE": False, "PRECISION": precision}
        name = f"{kind} {precision} {tile.rows}×{tile.columns}×{tile.positions}"
        columns = {"right_i": 1, "left_o": 1}
        yield f"products {name}", products, kind, {**flags, **blocks, **columns}, options
        narrow = {"image_c": 1} if kind == "bf16" else {"image_x": 1}
        for tap in (True, False) if whole else (True,):
            images = narrow if tap else {"image_x": 1}
            flags = {
                **flags,
                **blocks,
                **images,
                "delta_l": 1,
                "ONE_TAP": tap,
                "DEEP": False,
            }
            title = f"convolution {'one tap' if tap else 'all taps'} {name}"
            yield title, convolution, kind, flags, options
    for kind in ("fp32", "bf16") if whole else ("fp32",):
        for by_channel in (False, True) if whole else (False,):
            taps, tile = depthwise_tile(LARGE._replace(columns=9), by_channel=by_channel)
            blocks = {"BLOCK_K": taps, "BLOCK_O": tile.rows, "BLOCK_P": tile.positions}
            flags = {
                **blocks,
                "DEEP": False,
                "SPLIT": True,
                "SQUARE": False,
                "multiplier": 1,
            }
            flags |= {"image_c": 1, "delta_o": 1} if by_channel else {"image_x": 1, "delta_l": 1}
            name = f"depthwise {kind} {taps}×{tile.rows}×{tile.positions}"
            yield name, depthwise, kind, {**flags, "BY_CHANNEL": by_channel}, {"num_warps": 4}


def compiled(
    kernel: Any, kind: str, constants: dict[str, Any], options: dict[str, int], sm: int
) -> Any:
    pointers = {"out": "*fp32"} | dict.fromkeys(("left", "right", "delta", "images"), f"*{kind}")
    signature, even = {}, {}
    for place, name in enumerate(kernel.arg_names):
        signature[name] = "constexpr" if name in constants else pointers.get(name, "i32")
        if name in pointers or (name not in constants and EVEN.fullmatch(name)):
            even[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, even)
    target = GPUTarget("cuda", sm, 32)
    return triton.compile(source, target=target, options={**options, "enable_fp_fusion": True})


def resources(binary: Any) -> dict[str, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        command = [str(tool), "--dump-resource-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {name: int(re.search(rf"{name}:(\d+)", said)[1]) for name in ("REG", "STACK")}
    return {"registers": found["REG"], "spilled": found["STACK"], "shared": binary.metadata.shared}


if __name__ == "__main__":
    whole, *capabilities = (sys.argv[1] == "all", *map(int, sys.argv[2:]))
    for sm in capabilities:
        for name, kernel, kind, constants, options in cases(whole):
            used = resources(compiled(kernel, kind, constants, options, sm))
            print(
                json.dumps({"kernel": name, "capability": sm, **used}, ensure_ascii=False),
                flush=True,
            )
