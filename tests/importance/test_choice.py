"""The choice between ways to add a layer's sum: compared, timed, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from avalanche_mas.importance.gradients import choice
from avalanche_mas.importance.gradients.choice import Key, Way, choose, key_for, multiplied_as

TOTAL = torch.full((2, 3), 7.0)
GRADIENTS = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CHOSEN", {})


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[Way, float]:
    """How long each way takes; one that is not here must not be timed."""
    taken: dict[Way, float] = {}
    monkeypatch.setattr(choice, "milliseconds", lambda way, _total: taken[way])
    return taken


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def key(**changes: Any) -> Key:
    return key_for("convolution", TOTAL, GRADIENTS, square=False, precision="ieee")._replace(
        **changes
    )


def way(factor: float = 1.0) -> Way:
    def add(total: Tensor) -> None:
        total += factor * GRADIENTS.abs().sum(0)

    return add


def fails(_total: Tensor) -> None:
    raise OSError("no room for shared memory")


def test_the_quickest_is_taken_and_kept(times: dict[Way, float]) -> None:
    ways = {"library": way(), "kernel": way(1 + 1e-6), "third": way()}
    times.update(zip(ways.values(), (3.0, 1.0, 2.0), strict=True))
    before = TOTAL.clone()
    assert choose(key(), ways, TOTAL) == "kernel"
    times.clear()
    assert choose(key(), ways, TOTAL) == "kernel"
    assert torch.equal(TOTAL, before)


def test_one_way_needs_no_choice() -> None:
    assert choose(key(), {"library": fails}, TOTAL) == "library"


def test_one_that_differs_is_never_taken(times: dict[Way, float]) -> None:
    ways = {"library": way(), "kernel": way(1.01)}
    with pytest.warns(
        RuntimeWarning, match=r"kernel for a convolution of shape \(2, 3\).* 1\.0e-02 of"
    ):
        assert choose(key(), ways, TOTAL) == "library"
    assert choose(key(), ways, TOTAL) == "library"
    times.update(zip(ways.values(), (3.0, 1.0), strict=True))
    assert choose(key(precision="tf32"), ways, TOTAL) == "kernel"


def test_one_that_gives_nan_is_never_taken() -> None:
    with pytest.warns(RuntimeWarning, match="differs from PyTorch's operations by nan"):
        assert choose(key(), {"library": way(), "kernel": way(torch.nan)}, TOTAL) == "library"


def test_one_that_fails_is_never_tried_again() -> None:
    ways = {"library": way(), "kernel": fails}
    with pytest.warns(RuntimeWarning, match="did not run, .*OSError: no room for shared memory"):
        assert choose(key(), ways, TOTAL) == "library"
    assert choose(key(), ways, TOTAL) == "library"


@pytest.mark.usefixtures("deterministic")
def test_no_choice_by_time_where_all_is_to_be_deterministic() -> None:
    assert choose(key(), {"library": way(), "kernel": way(), "last": way()}, TOTAL) == "last"
    with pytest.warns(RuntimeWarning, match="differs"):
        assert choose(key(kind="linear"), {"library": way(), "kernel": way(2)}, TOTAL) == "library"


@pytest.mark.parametrize("factor", [0.0, torch.inf, torch.nan])
def test_nothing_to_compare_with_decides_nothing(factor: float, times: dict[Way, float]) -> None:
    assert choose(key(), {"library": way(factor), "kernel": way(factor)}, TOTAL) == "library"
    ways = {"library": way(), "kernel": way()}
    times.update(zip(ways.values(), (3.0, 1.0), strict=True))
    assert choose(key(), ways, TOTAL) == "kernel"


def test_what_a_choice_depends_on() -> None:
    images = torch.zeros(5, 1, 4, 6, 6)
    last = images.movedim(2, -1).contiguous().movedim(-1, 2)

    def of(
        factor: Tensor, precision: Any = "ieee", *, square: bool = False, detail: Any = ()
    ) -> Key:
        return key_for("c", TOTAL, factor, square=square, precision=precision, detail=detail)

    assert of(images) == of(images[:4]) == of(torch.ones(7, 1, 4, 6, 6))
    others = [
        of(images[:3]), of(images[..., :5]), of(last), of(images.half()), of(images, "tf32"),
        of(images, square=True), of(images, detail=2),
    ]  # fmt: skip
    assert len({of(images), *others}) == 8


def test_how_a_backend_multiplies() -> None:
    backend = torch.backends.cuda.matmul
    before = backend.allow_tf32
    backend.allow_tf32 = True
    assert multiplied_as(backend) == "tf32"
    backend.allow_tf32 = False
    assert multiplied_as(backend) == "ieee"
    backend.allow_tf32 = before
    assert multiplied_as(torch.backends.cudnn) in ("ieee", "tf32")
