"""Saving and loading Ω: bit for bit, whole or not at all, and only where it fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from avalanche_mas import tensor_files
from avalanche_mas.importance import Importance, Measure, save_tensors
from avalanche_mas.importance.result.measure import MEASURES
from tests.importance.test_importance import equal, importance, model
from tests.processes import python_path

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "omega.safetensors"


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.lists(st.integers(0, 4), max_size=3),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(FLOATS),
    st.integers(1, 10**12),
    st.sampled_from(list(MEASURES.values())),
    st.booleans(),
)
def test_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: dict[str, list[int]],
    dtype: torch.dtype,
    samples: int,
    measure: Measure,
    known: bool,
) -> None:
    file = tmp_path_factory.mktemp("omega") / "omega.safetensors"
    values = {n: torch.rand(s, dtype=torch.float64).to(dtype) for n, s in shapes.items()}
    digests = {name: f"{k:016x}" for k, name in enumerate(values)} if known else None
    omega = Importance(values, samples, measure=measure, fingerprint=digests)
    omega.save(file)
    assert equal(Importance.load(file), omega)


def test_extreme_numbers_come_back(path: Path) -> None:
    ends = [0.0, 5e-324, 1e-310, 1.7976931348623157e308]
    omega = Importance({"w": torch.tensor(ends, dtype=torch.float64)}, 1)
    omega.save(path)
    assert Importance.load(path)["w"].tolist() == ends


def test_tensors_that_share_memory_or_are_strided_come_back(path: Path) -> None:
    base = torch.rand(4, 6)
    parts = {"a": base, "b": base, "c": base.T, "d": base[1:3], "e": base[:, ::2], "f": base[0, 0]}
    parts["g"] = base.new_ones(1).expand(5)
    omega = Importance(parts, 2)
    omega.save(str(path))
    assert equal(Importance.load(str(path)), omega)


def test_the_file_says_what_it_is(path: Path) -> None:
    omega = importance(7, measure=Measure("local"))
    omega.save(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.pop("digest").startswith("blake2b-128 ")
    assert metadata == {
        "format": "avalanche_mas.importance",
        "version": "1",
        "samples": "7",
        "kind": "local",
        "parameters": json.dumps(list(omega)),
        "fingerprint": json.dumps(omega.fingerprint),
    }


def test_any_flipped_bit_is_noticed(path: Path) -> None:
    importance().save(path)
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged") as caught:
            Importance.load(path)
        assert str(path) in str(caught.value)


def test_a_file_of_an_earlier_version_has_no_digest_and_is_read(path: Path) -> None:
    omega = importance()
    omega.save(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    del metadata["digest"]
    save_file(dict(omega), path, metadata)
    assert equal(Importance.load(path), omega)


def test_the_name_of_the_digest_is_not_for_others(path: Path) -> None:
    with pytest.raises(ValueError, match="'digest' is the file's own"):
        save_tensors(path, {"w": torch.ones(1)}, {"digest": "mine"})


def test_goes_to_the_device_that_is_asked_for(path: Path) -> None:
    importance().save(path)
    for device, model_ in (("cpu", None), ("meta", None), ("meta", model())):
        loaded = Importance.load(path, model_, device)
        assert {value.device.type for value in loaded.values()} == {device}


def test_what_was_loaded_does_not_hang_on_the_file(path: Path) -> None:
    omega = importance()
    omega.save(path)
    loaded = Importance.load(path)
    content = path.read_bytes()
    path.write_bytes(b"\0" * len(content))
    assert equal(loaded, omega)


def test_a_failing_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importance().save(path)
    before = path.read_bytes()

    def fail(_: Any, file: Path, **__: Any) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_files, "save_file", fail)
    with pytest.raises(OSError, match="no space left"):
        importance().save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"make the folder .*nowhere first"):
        importance().save(tmp_path / "nowhere" / "omega.safetensors")


BAD = [float("nan"), float("inf"), -1e-30]


@pytest.mark.parametrize("entry", BAD)
def test_refuses_to_save_what_it_would_not_load(path: Path, entry: float) -> None:
    omega = Importance({"a": torch.ones(2), "b": torch.tensor([1.0, entry])}, 1)
    with pytest.raises(ValueError, match="'b' must be finite and not negative"):
        omega.save(path)
    assert not path.exists()


def test_a_missing_file_is_named(path: Path) -> None:
    for missing in (path, path.parent):
        with pytest.raises(FileNotFoundError, match=f"there is no file {missing}"):
            Importance.load(missing)


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_refuses_a_file_that_was_cut(path: Path, cut: int) -> None:
    importance().save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="not a safetensors file, or is damaged"):
        Importance.load(path)


def test_refuses_another_format(path: Path) -> None:
    torch.save({"w": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="not a safetensors file, or is damaged"):
        Importance.load(path)


GOOD = {
    "format": "avalanche_mas.importance",
    "version": "1",
    "samples": "3",
    "kind": "l2",
    "parameters": '["w", "v"]',
    "fingerprint": "null",
}


def changed(**changes: str | None) -> dict[str, str]:
    return {key: entry for key, entry in {**GOOD, **changes}.items() if entry is not None}


DAMAGED = {
    "no metadata": (None, "no importance"),
    "empty metadata": ({}, "no importance"),
    "another format": (changed(format="pt"), "no importance"),
    "another version": (changed(version="2"), "version '2', this code reads '1'"),
    "no version": (changed(version=None), "version None"),
    "no samples": (changed(samples=None), "lacks 'samples'"),
    "samples in words": (changed(samples="three"), "damaged: .*'three'"),
    "zero samples": (changed(samples="0"), "damaged: .*positive integer, got 0"),
    "no kind": (changed(kind=None), "lacks 'kind'"),
    "an unknown kind": (changed(kind="fisher"), "damaged: .*'fisher'"),
    "no names": (changed(parameters=None), "lacks 'parameters'"),
    "a missing tensor": (changed(parameters='["w", "v", "u"]'), "damaged: .*has 'u', but the file"),
    "a foreign tensor": (changed(parameters='["w"]'), "damaged: .*has no 'v', but the file"),
    "names nested deeply": (changed(parameters="[" * 10**5), "damaged: .*nested too deeply"),
    "a fingerprint nested deeply": (changed(fingerprint="[" * 10**5), "damaged: .*too deeply"),
    "names that are none": (changed(parameters="3"), "damaged: "),
    "no fingerprint": (changed(fingerprint=None), "lacks 'fingerprint'"),
    "a fingerprint that is cut": (changed(fingerprint='{"w": "1'), "damaged: "),
    "a fingerprint of others": (changed(fingerprint='{"w": "1"}'), "fingerprint has no 'v'"),
    "a fingerprint of numbers": (changed(fingerprint='{"w": 1, "v": 2}'), "fingerprint is {'w'"),
    "a fingerprint that is none": (changed(fingerprint="[]"), r"fingerprint is \[\]"),
}


def test_the_metadata_below_are_good_but_for_one_entry(path: Path) -> None:
    save_file({"w": torch.ones(2), "v": torch.ones(1)}, path, GOOD)
    assert list(Importance.load(path)) == ["w", "v"]


@pytest.mark.parametrize("what", DAMAGED)
def test_refuses_damaged_metadata(path: Path, what: str) -> None:
    metadata, message = DAMAGED[what]
    save_file({"w": torch.ones(2), "v": torch.ones(1)}, path, metadata)
    with pytest.raises(ValueError, match=message) as caught:
        Importance.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("entry", BAD)
def test_refuses_damaged_entries(path: Path, entry: float) -> None:
    save_file({"w": torch.ones(2), "v": torch.tensor([1.0, entry])}, path, GOOD)
    with pytest.raises(ValueError, match="damaged: the importance of 'v' must be finite"):
        Importance.load(path)


def test_refuses_whole_numbers(path: Path) -> None:
    save_file({"w": torch.ones(2), "v": torch.ones(1, dtype=torch.int64)}, path, GOOD)
    with pytest.raises(ValueError, match="damaged: the importance of 'v' must be a float tensor"):
        Importance.load(path)


def test_loads_for_the_model_it_was_measured_on(path: Path) -> None:
    omega = importance()
    omega.save(path)
    assert equal(Importance.load(path, model()), omega)
    assert equal(Importance.load(path, model().requires_grad_(False)), omega)
    assert equal(Importance.load(path, model(), parameters=reversed(list(omega))), omega)


def partial() -> Importance:
    """Ω of the first layer only."""
    whole = importance()
    assert whole.fingerprint is not None
    names = ["0.weight", "0.bias"]
    return Importance(
        {n: whole[n] for n in names}, 2, fingerprint={n: whole.fingerprint[n] for n in names}
    )


def test_loads_for_a_choice_of_parameters(path: Path) -> None:
    partial().save(path)
    chosen = Importance.load(path, model(), parameters=["0.weight", "0.bias"])
    assert list(chosen) == ["0.weight", "0.bias"]
    frozen = model()
    frozen[2].requires_grad_(False)
    assert list(Importance.load(path, frozen)) == ["0.weight", "0.bias"]


def test_the_parameters_that_an_importance_lacks_are_named(path: Path) -> None:
    partial().save(path)
    with pytest.raises(ValueError, match=r"has no '2\.weight', but the model has; parameters="):
        Importance.load(path, model())
    with pytest.raises(ValueError, match=r"has no '2\.bias', but parameters= has"):
        Importance.load(path, model(), parameters=["0.weight", "0.bias", "2.bias"])
    with pytest.raises(ValueError, match=r"has '0\.bias', but parameters= has not"):
        Importance.load(path, model(), parameters=["0.weight"])


def trained() -> nn.Module:
    other = model()
    with torch.no_grad():
        other[2].bias[1] += 1e-6
    return other


OTHERS = {
    "fewer": (lambda: model()[:2], r"has '2\.weight', but the model has not"),
    "more": (lambda: model().append(nn.Linear(2, 1)), r"has no '3\.weight', but the model has"),
    "wider": (
        lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5)),
        r"has \[2, 2\] for '2\.weight', the model \[5, 2\]",
    ),
    "of another dtype": (lambda: model().double(), r"'0\.weight' is not what it was"),
    "trained since": (trained, r"'2\.bias' is not what it was.*load without model="),
}


@pytest.mark.parametrize("what", OTHERS)
def test_refuses_another_model(path: Path, what: str) -> None:
    build, message = OTHERS[what]
    importance().save(path)
    with pytest.raises(ValueError, match=message):
        Importance.load(path, build())


def test_refuses_names_that_the_model_has_not(path: Path) -> None:
    Importance({"0.weight": torch.ones(2, 3), "head": torch.ones(1)}, 1).save(path)
    with pytest.raises(ValueError, match="has 'head', but the model has not"):
        Importance.load(path, model(), parameters=["0.weight", "head"])


def test_values_are_not_compared_where_the_fingerprint_is_unknown(path: Path) -> None:
    importance(fingerprint=None).save(path)
    Importance.load(path, trained())


def test_a_choice_needs_a_model(path: Path) -> None:
    importance().save(path)
    with pytest.raises(ValueError, match="give model= too"):
        Importance.load(path, parameters=["0.weight"])


SAVER = """
import sys, torch
from avalanche_mas.importance import Importance

number = int(sys.argv[2])
omega = Importance({name: torch.full((100_000,), float(number)) for name in "ab"}, number)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    omega.save(sys.argv[1])
"""


def test_of_two_processes_that_save_at_once_one_has_saved_all(path: Path) -> None:
    def saver(number: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path), str(number)],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    Importance({name: torch.full((100_000,), 1.0) for name in "ab"}, 1).save(path)
    seen = set()
    with saver(1) as one, saver(2) as two:
        for process in (one, two):
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "ready\n"
        for process in (one, two):
            print(file=process.stdin, flush=True)
        while one.poll() is None or two.poll() is None:
            omega = Importance.load(path)
            seen.add(omega.samples)
            assert {float(value) for name in "ab" for value in omega[name].unique()} == {
                float(omega.samples)
            }
    assert (one.returncode, two.returncode) == (0, 0)
    assert seen == {1, 2}
    assert list(path.parent.iterdir()) == [path]
