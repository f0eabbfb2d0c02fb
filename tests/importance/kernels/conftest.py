"""Triton's interpreter, which runs kernels on a CPU, if Triton was imported with it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def interpreter() -> None:
    """Skip where kernels cannot run on a CPU; teach the interpreter to multiply bfloat16."""
    triton = pytest.importorskip("triton", reason="Triton comes with PyTorch on Linux only")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("Triton was imported without TRITON_INTERPRET=1, as there is a GPU")
    version = tuple(map(int, triton.__version__.split(".")[:2]))
    if version < (3, 9) and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip(
            f"the interpreter of Triton {triton.__version__} fails with NumPy {np.__version__}"
        )
    from triton.language import bfloat16, float32
    from triton.runtime.interpreter import InterpreterBuilder

    multiply = InterpreterBuilder.create_dot

    def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        wide = (self.create_fp_ext(x, float32) if x.dtype.scalar == bfloat16 else x for x in (a, b))
        return multiply(self, *wide, *rest)  # it would multiply the bits, as integers

    InterpreterBuilder.create_dot = create_dot
