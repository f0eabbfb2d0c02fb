"""The kernels on a CPU, in Triton's interpreter: small tiles, so that small weights have several."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.kernels import launch
from avalanche_mas.importance.kernels.launch import (
    add_convolution_magnitudes,
    add_product_magnitudes,
)
from avalanche_mas.importance.kernels.plans import Tile
from tests.importance.kernels.cases import LAYOUTS, TYPES, Case, convolutions, stored

pytestmark = [
    pytest.mark.usefixtures("interpreter"),
    # What the interpreter of older Tritons does.
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim:DeprecationWarning"),
]

SMALL = Tile(16, 16, 16)
PROCESSORS = st.sampled_from((1, 1, 20))
few = settings(deadline=None, max_examples=25, derandomize=True)


def summed(gradients: Tensor, *, square: bool) -> Tensor:
    return (gradients.square() if square else gradients.abs()).sum(0)


def assert_close(found: Tensor, expected: Tensor) -> None:
    """Compare with float64, of which what was multiplied in float32 is short by its rounding."""
    assert found.dtype == torch.float32
    scale = max(expected.abs().max().item(), 1e-30)
    assert (found - 1 - expected).abs().max().item() <= 1e-5 * max(scale, 1)


@few
@given(
    st.tuples(*(st.integers(1, n) for n in (4, 20, 20, 20))), TYPES, TYPES, LAYOUTS, LAYOUTS, PROCESSORS,
    st.booleans(),
)  # fmt: skip
def test_products(
    sizes: tuple[int, int, int, int],
    left_type: torch.dtype,
    right_type: torch.dtype,
    left_layout: str,
    right_layout: str,
    processors: int,
    square: bool,
) -> None:
    b, o, p, i = sizes
    left = stored((b, o, p), left_type, 1, left_layout)
    right = stored((b, p, i), right_type, 2, right_layout)
    total = torch.ones(o, i)
    with patch.object(launch, "processors", lambda _: processors):
        add_product_magnitudes(total, left, right, square=square, precision="ieee", tile=SMALL)
    one_by_one = torch.stack([a @ b for a, b in zip(left.double(), right.double(), strict=True)])
    assert_close(total, summed(one_by_one, square=square))
    at_once = torch.einsum("bop,bpi->boi", left.double(), right.double())
    assert_close(total, summed(at_once, square=square))


def check(case: Case, processors: int, *, square: bool, tile: Tile | None = SMALL) -> None:
    total = torch.ones(case.shape)
    with patch.object(launch, "processors", lambda _: processors):
        add_convolution_magnitudes(
            total, case.delta, case.images, case.conv, square=square, precision="ieee", tile=tile
        )
    assert_close(total, summed(case.one_by_one(), square=square))
    assert_close(total, summed(case.by_windows(), square=square))


@few
@given(convolutions(), PROCESSORS, st.booleans())
def test_convolutions(case: Case, processors: int, square: bool) -> None:
    check(case, processors, square=square)


@few
@given(
    convolutions(depthwise=True), PROCESSORS, st.booleans(), st.sampled_from((None, Tile(2, 1, 4)))
)
def test_depthwise(case: Case, processors: int, square: bool, tile: Tile | None) -> None:
    check(case, processors, square=square, tile=tile)


@pytest.mark.parametrize("channels", [3, 32, 130])
@pytest.mark.parametrize("layout", ["plain", "channels last"])
def test_tiles_of_the_table(channels: int, layout: str) -> None:
    """A kernel that is no square, with an uneven stride and padding, over several tiles."""
    conv = Convolution((3, 2), (2, 1), (1, 0), (1, 2), 1)
    for dtype in (torch.float32, torch.bfloat16):
        delta = stored((2, 1, 70, 4, 5), dtype, 1, layout)
        images = stored((2, 1, channels, 7, 7), dtype, 2, layout)
        case = Case(delta, images, conv, torch.Size((70, channels, 3, 2)))
        check(case, 4, square=False, tile=None)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_infinities_and_nan_are_not_hidden() -> None:
    left, right = torch.ones(2, 3, 2), torch.ones(2, 2, 3)
    left[0, 0, 0], left[1, 1, 1] = torch.inf, torch.nan
    total = torch.zeros(3, 3)
    add_product_magnitudes(total, left, right, square=False, precision="ieee")
    assert total[0].isinf().all()
    assert total[1].isnan().all()
    assert total[2].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("positions", [8, 16, 12, 9])
def test_positions_that_fill_whole_loads(dtype: torch.dtype, positions: int) -> None:
    left, right = (
        torch.randn(3, 5, positions, generator=torch.Generator().manual_seed(s)).to(dtype)
        for s in (1, 2)
    )
    total, summed_up = (
        torch.ones(5, 5),
        summed(left.double() @ right.double().transpose(1, 2), square=False),
    )
    add_product_magnitudes(
        total, left, right.transpose(1, 2), square=False, precision="ieee", tile=SMALL
    )
    assert_close(total, summed_up)
    conv = Convolution((2,), (1,), (0,), (1,), 1)
    images = stored((3, 1, 5, positions + 1), dtype, 3, "plain")
    check(Case(left[:, None], images, conv, torch.Size((5, 5, 2))), 1, square=False)
