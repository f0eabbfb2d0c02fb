"""Ω as a mapping: what it is made of, what may be put together, moving and converting it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas.importance import Importance, Measure, global_importance
from avalanche_mas.importance.result.fingerprint import fingerprint
from avalanche_mas.importance.result.measure import MEASURES


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))


def random_like(parameters: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> Any:
    return {name: torch.rand(p.shape).to(dtype) for name, p in parameters.items()}


def importance(samples: int = 3, **options: Any) -> Importance:
    parameters = dict(model().named_parameters())
    options.setdefault("fingerprint", fingerprint(parameters))
    return Importance(random_like(parameters), samples, **options)


def equal(one: Importance, two: Importance) -> bool:
    """Bit for bit, with the same names in the same order and the same description."""
    described = [(list(o), o.samples, o.measure, o.fingerprint) for o in (one, two)]
    return described[0] == described[1] and all(
        one[name].dtype == two[name].dtype and torch.equal(one[name], two[name]) for name in one
    )


def test_it_is_a_mapping_that_is_not_written_to() -> None:
    values = {"b": torch.ones(2), "a": torch.zeros(1)}
    digests = {"b": "1", "a": "2"}
    omega = Importance(values, 4, fingerprint=digests)
    values.clear()
    digests.clear()
    assert list(omega) == ["b", "a"]
    assert len(omega) == 2
    assert torch.equal(omega["b"], torch.ones(2))
    assert (omega.samples, omega.measure, omega.fingerprint) == (4, Measure(), {"b": "1", "a": "2"})
    with pytest.raises(TypeError, match="assignment"):
        omega["b"] = torch.zeros(2)  # type: ignore[index]


def test_it_is_described_in_a_line() -> None:
    assert (
        repr(importance(measure=Measure("local"))) == "Importance('local', samples=3, parameters=4)"
    )


def test_it_carries_no_graph() -> None:
    weight = nn.Parameter(torch.ones(2))
    assert not Importance({"weight": 2 * weight}, 1)["weight"].requires_grad


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_it_can_be_copied(clone: Any) -> None:
    omega = importance()
    assert equal(clone(omega), omega)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({}, 3), ValueError, "at least one parameter"),
        (({"w": [1.0]}, 3), TypeError, "'w' must be a float tensor, got list"),
        (({"w": torch.ones(1, dtype=torch.int64)}, 3), TypeError, "'w'.*torch.int64"),
        (({"w": torch.ones(1, dtype=torch.complex64)}, 3), TypeError, "'w'.*torch.complex64"),
        (({"w": torch.ones(1)}, 0), ValueError, "positive integer, got 0"),
        (({"w": torch.ones(1)}, -1), ValueError, "positive integer, got -1"),
        (({"w": torch.ones(1)}, 2.5), ValueError, r"positive integer, got 2\.5"),
    ],
)
def test_refuses_what_is_no_importance(arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Importance(*arguments)


def test_refuses_an_unknown_kind_and_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="got 'fisher'") as caught:
        Importance({"w": torch.ones(1)}, 1, measure=Measure("fisher"))
    assert all(repr(kind) in str(caught.value) for kind in MEASURES)


@pytest.mark.parametrize(
    ("digests", "message"),
    [({}, "the fingerprint has no 'w'"), ({"w": "", "v": ""}, "the fingerprint has 'v', but")],
)
def test_refuses_a_fingerprint_of_others(digests: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Importance({"w": torch.ones(1)}, 1, fingerprint=digests)


def test_a_start_from_the_same_model_is_welcome() -> None:
    parameters = dict(model().named_parameters())
    importance().check_start(parameters, Measure())
    importance(fingerprint=None).check_start({n: p + 1 for n, p in parameters.items()}, Measure())
    importance(measure=Measure("local")).check_start(
        dict(reversed(parameters.items())), Measure("local")
    )


def without(entries: Any, name: str) -> dict[str, Any]:
    return {key: entry for key, entry in entries.items() if key != name}


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda p: without(p, "2.bias"), "l2", r"start has '2\.bias', but the model has not"),
        (lambda p: {**p, "new": p["0.bias"]}, "l2", "start has no 'new', but the model has"),
        (lambda p: {**p, "0.weight": p["0.bias"]}, "l2", r"\[2, 3\] for '0\.weight', .* \[2\]"),
        (lambda p: p, "vector", "kind 'l2'.*kind 'vector'"),
        (
            lambda p: {**p, "2.weight": p["2.weight"] + 1e-6},
            "l2",
            r"'2\.weight' is not what it was",
        ),
    ],
)
def test_refuses_a_start_from_elsewhere(change: Any, kind: str, message: str) -> None:
    parameters = change(dict(model().named_parameters()))
    with pytest.raises(ValueError, match=message):
        importance().check_start(parameters, Measure.parse(kind))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 10**6))
def test_two_parts_give_the_whole(first: int, second: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    per_sample = torch.rand(first + second, 4, 3, generator=generator, dtype=torch.float64)
    parts = [per_sample[:first], per_sample[first:], per_sample]
    one, two, whole = (Importance({"w": part.mean(0)}, len(part)) for part in parts)
    merged = one.merge(two)
    assert merged.samples == whole.samples
    torch.testing.assert_close(merged["w"], whole["w"], rtol=1e-14, atol=0)
    torch.testing.assert_close(two.merge(one)["w"], whole["w"], rtol=1e-14, atol=0)


def test_merging_changes_neither_and_keeps_the_description() -> None:
    one, two = importance(3, measure=Measure("vector")), importance(5, measure=Measure("vector"))
    copies = copy.deepcopy([one, two])
    merged = one.merge(two)
    assert equal(one, copies[0])
    assert equal(two, copies[1])
    assert (merged.measure, merged.fingerprint) == (Measure("vector"), one.fingerprint)
    assert list(merged) == list(one)


def test_merging_large_values_does_not_overflow() -> None:
    large = Importance({"w": torch.full((2,), 3e38)}, 10**6)
    assert torch.equal(large.merge(large)["w"], large["w"])


def test_merging_takes_the_wider_dtype() -> None:
    wide, narrow = (importance().to(dtype=dtype) for dtype in (torch.float64, torch.bfloat16))
    for merged in (wide.merge(narrow), narrow.merge(wide)):
        assert {value.dtype for value in merged.values()} == {torch.float64}


def test_the_fingerprint_of_a_merged_one_is_known_where_both_are() -> None:
    known, unknown = importance(), importance(fingerprint=None)
    assert known.merge(known).fingerprint == known.fingerprint
    assert known.merge(unknown).fingerprint is None
    assert unknown.merge(known).fingerprint is None


def changed(**changes: Any) -> Importance:
    omega = importance(fingerprint=None)
    return Importance({**omega, **changes}, 2)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Importance({"0.weight": torch.ones(2, 3)}, 1), r"this importance has '0\.bias', but the"),
        (changed(new=torch.ones(1)), "this importance has no 'new', but the other has"),
        (changed(**{"0.bias": torch.ones(3)}), r"\[2\] for '0\.bias', the other \[3\]"),
        (importance(measure=Measure("local")), "kind 'l2', the other of kind 'local'"),
        (
            importance(fingerprint={**importance().fingerprint, "2.bias": "0"}),  # type: ignore[dict-item]
            r"'2\.bias' is not what it was",
        ),
    ],
)
def test_refuses_to_merge_what_does_not_fit(other: Importance, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        importance().merge(other)


def test_refuses_to_merge_a_plain_mapping() -> None:
    with pytest.raises(TypeError, match="got dict"):
        importance().merge(dict(importance()))  # type: ignore[arg-type]


def test_converting_keeps_the_description_and_the_original() -> None:
    omega = importance(measure=Measure("vector", "batch"))
    wide = omega.to(dtype=torch.float64)
    assert {value.dtype for value in wide.values()} == {torch.float64}
    assert {value.dtype for value in omega.values()} == {torch.float32}
    assert equal(wide.to("cpu", torch.float32), omega)
    assert equal(omega.to(), omega)


def test_moving_to_another_device() -> None:
    moved = importance().to("meta")
    assert {value.device.type for value in moved.values()} == {"meta"}
    assert moved.samples == 3


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    parameters = dict(model().named_parameters())
    there = {name: p.cuda() for name, p in parameters.items()}
    assert fingerprint(there) == fingerprint(parameters)
    omega = importance()
    merged = omega.to("cuda").merge(omega)
    assert {value.device.type for value in merged.values()} == {"cuda"}
    assert equal(omega.to("cuda").to("cpu"), omega)


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_refuses_a_dtype_that_is_not_floating(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"floating dtype such as float32, got {dtype}"):
        importance().to(dtype=dtype)


def test_refuses_a_dtype_that_is_too_narrow() -> None:
    omega = Importance({"a": torch.ones(1), "b": torch.tensor([0.0, 1e6])}, 1)
    with pytest.raises(ValueError, match=r"'b' reaches 1e\+06, which torch.float16 cannot hold"):
        omega.to(dtype=torch.float16)
    assert omega.to(dtype=torch.bfloat16)["b"].isfinite().all()


@pytest.mark.parametrize("granularity", ["sample", "batch"])
def test_warns_where_the_output_has_one_length(granularity: Any) -> None:
    """The squared norm is 1 for all samples then, and its gradient rounding."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))

    def unit(model: torch.nn.Module, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(model(x))

    x = torch.randn(6, 4)
    with pytest.warns(UserWarning, match=r"squared norm of the output is 1 for all.*'vector'"):
        global_importance(model, x.split(2), forward=unit, granularity=granularity)
    omega = global_importance(model, x.split(2), forward=unit, output="vector")
    assert omega["0.weight"].max() > 1e-3
    global_importance(model, [x[:1].expand(3, 4)])  # one norm for all, which has a gradient


def test_padded_outputs_have_one_length_where_the_others_have() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 20)
    torch.nn.init.normal_(model.weight, std=0.01)  # as of heads that are not trained yet
    torch.nn.init.zeros_(model.bias)

    def padded(model: torch.nn.Module, x: Tensor) -> Tensor:
        return model(x).masked_fill(torch.arange(20) > 3, -1000)

    def unit(model: torch.nn.Module, x: Tensor) -> Tensor:
        y = torch.nn.functional.normalize(model(x)[:, :4])
        return torch.cat([y, torch.full((len(x), 16), -1000.0)], 1)

    x = torch.randn(6, 4)
    global_importance(model, [x], forward=padded)
    with pytest.warns(UserWarning, match="all samples and does not depend"):
        global_importance(model, [x], forward=unit)
