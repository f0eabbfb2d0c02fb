"""The fingerprint notices every change of the parameters, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from avalanche_mas import devices
from avalanche_mas.importance.result import fingerprint as module
from avalanche_mas.importance.result.fingerprint import fingerprint

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
BITS = {torch.float64: 64, torch.float32: 32, torch.float16: 16, torch.bfloat16: 16}


def digest(tensor: Tensor) -> str:
    return fingerprint({"x": tensor})["x"]


def random(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def flip_bit(tensor: Tensor, entry: int, bit: int) -> Tensor:
    """Changes as little as can be changed."""
    bits = {8: torch.int64, 4: torch.int32, 2: torch.int16}[tensor.element_size()]
    changed = tensor.clone().view(-1).view(bits)
    mask = 1 << bit if bit < 8 * tensor.element_size() - 1 else -(1 << bit)
    changed[entry] ^= mask
    return changed.view(tensor.dtype).view(tensor.shape)


@pytest.fixture(params=[4, 1 << 16])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Tensors of several pieces, and of one."""
    monkeypatch.setattr(module, "PIECE", request.param)
    return int(request.param)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("dtype", FLOATS)
def test_any_bit_of_any_entry_counts(dtype: torch.dtype) -> None:
    tensor = random((3, 5), dtype)
    every = {
        digest(flip_bit(tensor, entry, bit)) for entry in range(15) for bit in range(BITS[dtype])
    }
    assert len(every | {digest(tensor)}) == 15 * BITS[dtype] + 1


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(FLOATS))
def test_round_numbers_in_another_order_differ(data: st.DataObject, dtype: torch.dtype) -> None:
    numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1024.0])
    before = data.draw(st.lists(numbers, min_size=2, max_size=20))
    after = data.draw(st.permutations(before))
    one, two = (digest(torch.tensor(entries, dtype=dtype)) for entries in (before, after))
    assert (one == two) == (before == after)


@pytest.mark.usefixtures("piece")
def test_moves_between_pieces_rows_and_columns_are_noticed() -> None:
    eye = torch.eye(8)
    swapped = eye[[1, 0, *range(2, 8)]]
    far = eye[[7, *range(1, 7), 0]]
    assert len({digest(eye), digest(swapped), digest(far), digest(-eye), digest(2 * eye)}) == 5


def test_shape_and_dtype_count() -> None:
    zeros = [torch.zeros(6), torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(6, dtype=torch.half)]
    empty = [torch.zeros(0), torch.zeros(0, 2), torch.zeros(()), torch.zeros(1)]
    assert len({digest(tensor) for tensor in zeros + empty}) == 8


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda t: t.mT.contiguous().mT,
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "a piece of a larger one": lambda t: torch.stack([t, t + 1], dim=-1)[..., 0],
    "a parameter": torch.nn.Parameter,
}


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_layout_in_memory_does_not_count(layout: str, dtype: torch.dtype) -> None:
    tensor = random((2, 3, 4, 5), dtype)
    again = LAYOUTS[layout](tensor)
    assert torch.equal(again, tensor)
    assert digest(again) == digest(tensor)


@pytest.mark.parametrize("piece", [4, 1 << 16])
@pytest.mark.parametrize("entries", [0, 1, 4, 15, 16, 17, 100])
def test_it_is_the_same_for_many_pieces_at_a_time(
    entries: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU handles them."""
    monkeypatch.setattr(module, "PIECE", piece)
    tensor = random((entries,), torch.float32)
    before = digest(tensor)
    monkeypatch.setattr(module, "PIECES", 3)
    monkeypatch.setattr(devices, "CACHED", frozenset())
    assert digest(tensor) == before


def test_it_is_the_same_on_every_device(device: torch.device) -> None:
    tensor = random((3, 70_000), torch.float32)
    assert digest(tensor.to(device)) == digest(tensor)


def test_it_is_the_same_on_every_machine() -> None:
    """Worked out with Python's own integers."""
    entries = [1.0, -2.0, 0.0, 0.15625]
    words = [0x3F800000, 0xC0000000 - (1 << 32), 0, 0x3E200000]
    weights = [_split_mix(k) | 1 for k in range(1, 5)]
    total = sum(w * v for w, v in zip(weights, words, strict=True)) % (1 << 64)
    sums = module._sums(module._words(torch.tensor(entries)), _weights())
    assert sums.tolist() == [_signed(total)]


def _weights() -> Tensor:
    return module._odd_numbers(torch.device("cpu"))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _split_mix(k: int) -> int:
    mask = (1 << 64) - 1
    z = k * 0x9E3779B97F4A7C15 & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


@pytest.mark.filterwarnings("ignore:Sparse (CSR|BSR) tensor support is in beta")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_bsr])
def test_of_a_sparse_tensor_the_values_count(layout: torch.layout) -> None:
    block = (2, 2) if layout is torch.sparse_bsr else None

    def sparse(value: float) -> Tensor:
        return (value * torch.eye(4)).to_sparse(layout=layout, blocksize=block)

    assert fingerprint({"a": sparse(2.0)}) == fingerprint({"a": sparse(2.0)})
    assert fingerprint({"a": sparse(2.0)}) != fingerprint({"a": sparse(3.0)})


def test_nothing_is_changed_and_names_are_kept() -> None:
    model = torch.nn.Linear(3, 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    found = fingerprint(dict(model.named_parameters()))
    assert list(found) == ["weight", "bias"]
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert {len(digits) for digits in found.values()} == {16}
