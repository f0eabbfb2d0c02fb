"""Triton's interpreter, which runs kernels on a CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from avalanche_mas.importance.kernels.launch import OLDEST_TRITON

KERNELS = [
    f"avalanche_mas.importance.kernels.{n}" for n in ("products", "convolution", "depthwise")
]


@pytest.fixture(scope="module")
def interpreter() -> Iterator[None]:
    """Import the kernels for the interpreter, which is taught to multiply bfloat16."""
    triton = pytest.importorskip("triton", reason="Triton comes with PyTorch on Linux only")
    version = tuple(map(int, triton.__version__.split(".")[:2]))
    if version < OLDEST_TRITON:
        pytest.skip(f"there are no kernels for Triton {triton.__version__}")
    if version < (3, 9) and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip(
            f"the interpreter of Triton {triton.__version__} fails with NumPy {np.__version__}"
        )
    from triton import language
    from triton.runtime.interpreter import InterpretedFunction, InterpreterBuilder

    multiply = InterpreterBuilder.create_dot

    def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        wide = (
            self.create_fp_ext(x, language.float32) if x.dtype.scalar == language.bfloat16 else x
            for x in (a, b)
        )
        return multiply(self, *wide, *rest)  # it would multiply the bits, as integers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InterpreterBuilder, "create_dot", create_dot)
        patch.setenv("TRITON_INTERPRET", "1")  # read where a kernel is decorated
        for name in ("cdiv", "sum", "zeros"):  # Triton's own were decorated when it was imported
            own = getattr(language, name)
            patch.setattr(language, name, InterpretedFunction(own.fn))
        for name in KERNELS:
            patch.delitem(sys.modules, name, raising=False)
        yield
        for name in KERNELS:
            sys.modules.pop(name, None)
