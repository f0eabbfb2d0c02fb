"""Compile the damped kernel for a GPU, without one: `python -m tests.penalty.compiled 90`.

Print how often a thread loads and stores 16 bytes at a time.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import triton
from triton.backends.compiler import GPUTarget

from avalanche_mas.penalty.kernel import BLOCK, add_gradients

TENSORS = ("GRADIENT", "PARAMETER", "ANCHOR", "IMPORTANCE")
TYPES = {"tensors": "*i64", "blocks": "*i32", "factor": "fp32", "damping": "fp32"}


def wide_moves(capability: int) -> dict[str, int]:
    """Return the moves of 16 bytes by instruction, for float32 at aligned addresses."""
    fixed: dict[str, Any] = {"rate": None, "ALIGNED": True, "DAMPED": True, "BLOCK": BLOCK}
    source = triton.compiler.ASTSource(
        fn=add_gradients,
        signature={name: TYPES.get(name, "constexpr") for name in add_gradients.arg_names},
        constexprs={**fixed, **dict.fromkeys(TENSORS, triton.language.float32)},
    )
    target = GPUTarget("cuda", capability, 32)
    compiled = triton.compile(source, target=target, options={"enable_fp_fusion": False})
    lines = (line.split() for line in compiled.asm["ptx"].splitlines())
    kinds = Counter(words[0] for words in lines if words)
    return {name: count for name, count in kinds.items() if name.endswith("global.v4.b32")}


if __name__ == "__main__":
    print(json.dumps(wide_moves(int(sys.argv[1]))))
