"""Values as JSON and tensors and back; and files that were made to do harm."""

from __future__ import annotations

import json
import random
from collections import defaultdict, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.evaluation.metrics import Accuracy, Mean
from hypothesis import given, settings
from hypothesis import strategies as st

from avalanche_mas.checkpoint.codec import CheckpointError, Decoder, Encoder
from avalanche_mas.importance import histogram_figure, ranked, ridges
from avalanche_mas.metrics.values import Plot, Table
from avalanche_mas.tensor_files import read_tensors, write_tensors


class Nothing:
    """No data sets, no models."""

    def encode(self, value: Any, encoder: Encoder, where: str) -> None: ...

    def decode(self, *_: Any) -> Any:
        raise CheckpointError("not a value")


def there_and_back(value: Any, live: Any = None) -> Any:
    encoder = Encoder(Nothing(), [])
    text = json.dumps(encoder.encode(value, "value"))
    return Decoder(Nothing(), encoder.tensors).decode(json.loads(text), live)


KEYS = st.one_of(st.integers(), st.text(), st.booleans(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False)),
        st.sets(st.integers()),
        st.frozensets(st.text()),
    ),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(KEYS, inner),
        st.tuples(inner, inner),
        st.lists(inner).map(deque),
    ),
)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    found = there_and_back(value)
    assert found == value
    assert type(found) is type(value)


def test_tensors_arrays_and_numbers_come_back() -> None:
    value = {
        "tensor": torch.arange(6.0).reshape(2, 3)[:, 1],
        "half": torch.ones(2, dtype=torch.bfloat16),
        "array": np.arange(4, dtype=np.int32).reshape(2, 2),
        "number": np.float64(0.1),
        "nan": float("nan"),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "function": torch.zeros,
    }
    found = there_and_back(value)
    assert found["function"] is torch.zeros
    assert np.isnan(found["nan"])
    assert found["size"] == (2, 3)
    assert isinstance(found["size"], torch.Size)
    assert found["number"] == 0.1
    assert (found["array"] == value["array"]).all()
    assert found["array"].dtype == np.int32
    assert found["device"] == torch.device("cpu")
    assert torch.equal(found["tensor"], value["tensor"])
    assert torch.equal(found["half"], value["half"])


def test_a_figure_that_was_shown_is_its_text_afterwards() -> None:
    omega = ranked({"weight": torch.ones(3)})
    shown = {"figures": [Plot(histogram_figure, ridges(omega))], "tables": [Table(["n"], [], "n")]}
    assert there_and_back(shown) == {"figures": ["(a figure)"], "tables": ["\nn"]}


def test_one_tensor_in_two_places_is_one_afterwards() -> None:
    tensor = torch.ones(3)
    found = there_and_back([tensor, {"again": tensor}])
    assert found[0] is found[1]["again"]


def test_objects_are_filled_where_they_stand_and_made_in_collections() -> None:
    held = {"one": defaultdict(Accuracy)}
    held["one"][3].update(torch.tensor([1, 0]), torch.tensor([1, 1]))
    live = {"one": defaultdict(Accuracy)}
    place = live["one"]
    found = there_and_back(held, live)
    assert found is live
    assert found["one"] is place
    assert place[3].result() == 0.5
    assert place[4].result() == 0.0
    mean = Mean()
    assert there_and_back(Mean(), mean) is mean


class Evil:
    """Refuses to be made or filled."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError("code ran")


@pytest.mark.parametrize(
    "content",
    [
        {"object": "os.system", "attributes": {}},
        {"object": "builtins.eval", "attributes": {}},
        {"object": "subprocess.Popen", "attributes": {"args": "true"}},
        {"object": "tests.checkpoint.test_codec.Evil", "attributes": {"a": 1}},
        {"object": "avalanche.evaluation.metrics.os.system", "attributes": {}},
        {"object": "avalanche.evaluation.metrics.Missing", "attributes": {}},
        {"object": "avalanche.evaluation.metrics.accuracy.Accuracy", "attributes": [1]},
        {"dict": [], "factory": "os.system"},
        {"dict": [[1]]},
        {"dict": [[[], 1]]},
        {"torch": "load"},
        {"torch": "hub"},
        {"tensor": "missing"},
        {"tensor": ["list"]},
        {"array": "0", "shape": [-5]},
        {"array": "0", "shape": [2**60]},
        {"device": "no such device"},
        {"float": []},
        {"tuple": 3},
        {"deque": [], "maxlen": "x"},
        {"own": {}},
        {"own": {"state": 1}},
        {"unknown": 1},
        {},
        {"size": ["x"]},
        {"set": [[]]},
    ],
    ids=str,
)
def test_contents_of_other_make_are_refused_and_run_nothing(content: Any) -> None:
    with pytest.raises(CheckpointError):
        Decoder(Nothing(), {"0": torch.zeros(2)}).decode(content)


def test_deep_nesting_is_refused() -> None:
    content: Any = 1
    for _ in range(100_000):
        content = [content]
    with pytest.raises(CheckpointError):
        Decoder(Nothing(), {}).decode(content)


def test_what_cannot_be_saved_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"plugin\.list\[0\] is a Random.*state_dict.*skip="):
        Encoder(Nothing(), []).encode([random.Random()], "plugin.list")


def test_a_function_in_a_collection_that_could_not_be_made_again_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"counts\['a'\] is a defaultdict.*setdefault"):
        Encoder(Nothing(), []).encode({"a": defaultdict(lambda: 0)}, "plugin.counts")
    live = defaultdict(lambda: 7)
    assert there_and_back(defaultdict(lambda: 7, b=1), live) is live
    assert live["c"] == 7


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_an_error_of_ours(tmp_path_factory: Any, data: Any) -> None:
    """Flipped bits, cuts, what is put in and what is left out."""
    file = tmp_path_factory.mktemp("damage") / "one.safetensors"
    write_tensors(file, {"a": torch.arange(9.0), "b": torch.ones(2, 2)}, {"content": "[1, 2]"})
    whole = file.read_bytes()
    content = bytearray(whole)
    kind = data.draw(st.sampled_from(["flip", "cut", "put in", "leave out"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del content[place:]
    elif kind == "put in":
        content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
    else:
        del content[place : place + 3]
    file.write_bytes(content)
    with suppress(ValueError):
        tensors, texts = read_tensors(
            file
        )  # of a change that means nothing, as a blank in the header
        assert texts == {"content": "[1, 2]"}
        assert torch.equal(tensors["a"], torch.arange(9.0))
        assert torch.equal(tensors["b"], torch.ones(2, 2))


def test_shared_and_partial_memory(tmp_path: Path) -> None:
    whole = torch.arange(10.0)
    file = tmp_path / "one.safetensors"
    write_tensors(
        file, {"whole": whole, "part": whole[2:5], "again": whole, "empty": whole[:0]}, {}
    )
    tensors, _ = read_tensors(file)
    assert torch.equal(tensors["whole"], whole)
    assert torch.equal(tensors["part"], whole[2:5])
    assert torch.equal(tensors["again"], whole)
    assert tensors["empty"].numel() == 0
