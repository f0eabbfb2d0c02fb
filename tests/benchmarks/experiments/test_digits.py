"""Streams of digits: how they are split, what is read from MNIST's files, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.datasets import MNIST

from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments.digits import digit_pairs, permuted_digits
from benchmarks.experiments.digits.drawn import PER_DIGIT, draw_digits
from benchmarks.experiments.digits.mnist import (
    DIVIDED,
    HELD_OUT,
    fetch_mnist,
    read_mnist,
    read_stand_in,
)
from benchmarks.experiments.digits.parts import PARTS, DigitSet, deal
from benchmarks.experiments.digits.streams import DEVIATION, MEAN, load_digits

SHARED = Path(__file__).parents[4] / "shared" / "data" / "extras"
FILES = {"train": 240, "t10k": 100}


def idx(values: NDArray[Any]) -> bytes:
    """Return an IDX file of bytes, following the format's description."""
    head = b"\x00\x00\x08" + bytes([values.ndim])
    lengths = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + lengths + values.astype(np.uint8).tobytes()


def contents() -> dict[str, bytes]:
    """Return MNIST's four files, small: image i of a file shows i, labels are random."""
    chance, found = np.random.default_rng(0), {}
    for which, count in FILES.items():
        labels = chance.permutation(np.arange(count) % 10)
        images = np.broadcast_to(np.arange(count)[:, None, None], (count, 28, 28))
        found[f"{which}-images-idx3-ubyte"] = idx(images)
        found[f"{which}-labels-idx1-ubyte"] = idx(labels)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with small MNIST files, those of the test set compressed."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, data in contents().items():
        if name.startswith("t10k"):
            (raw / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (raw / name).write_bytes(data)
    return tmp_path


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Keep tests from seeing the files of another."""
    yield
    load_digits.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few drawn digits instead of thousands."""
    monkeypatch.setattr(
        "benchmarks.experiments.digits.drawn.PER_DIGIT", {"train": 3, "valid": 1, "test": 2}
    )


def data_of(stream: TaskBenchmark, part: str, task: int) -> tuple[torch.Tensor, list[int]]:
    dataset = stream.streams[part][task].dataset
    return torch.stack([entry[0] for entry in dataset]), [int(entry[1]) for entry in dataset]


# --- dealing out ---


@given(st.lists(st.integers(0, 9), max_size=60))
def test_dealing_is_by_the_place_among_the_same_digit(labels: list[int]) -> None:
    numbers = np.arange(len(labels), dtype=np.uint8)
    images = np.broadcast_to(numbers[:, None, None], (len(labels), 2, 2))
    dealt = deal(DigitSet(images, np.array(labels, dtype=np.int64)), DIVIDED)
    expected: dict[str, list[int]] = {part: [] for part in PARTS}
    for i, label in enumerate(labels):
        expected[DIVIDED[labels[:i].count(label) % 10]].append(i)
    assert {part: found.images[:, 0, 0].tolist() for part, found in dealt.items()} == expected
    for part, found in dealt.items():
        assert found.labels.tolist() == [labels[i] for i in expected[part]]


def test_mnist_keeps_its_test_set_and_holds_validation_out_of_training(root: Path) -> None:
    digits = read_mnist(root)
    sizes = {part: len(digits.parts[part].labels) for part in PARTS}
    assert sizes == {"train": 220, "valid": 20, "test": 100}
    assert digits.parts["test"].images[:, 3, 3].tolist() == list(range(100))
    held, rest = (set(digits.parts[p].images[:, 0, 0].tolist()) for p in ("valid", "train"))
    assert held | rest == set(range(240))
    assert not held & rest
    assert np.bincount(digits.parts["valid"].labels).tolist() == [2] * 10
    assert (digits.source, digits.stand_in, digits.complete) == ("real", False, False)
    assert digits.agreement == "not complete: 240 official training and 100 test images"


def test_all_of_mnist_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.experiments.digits.mnist.OFFICIAL", FILES)
    assert read_mnist(root).complete
    assert digit_pairs(("1-2",), root, (), 28).tasks[0].complete


def test_the_stand_in_divides_the_test_set_and_says_so(root: Path) -> None:
    for file in (root / "MNIST" / "raw").glob("train-*"):
        file.unlink()
    digits = read_stand_in(root)
    parts = {name: set(part.images[:, 0, 0].tolist()) for name, part in digits.parts.items()}
    assert {name: len(numbers) for name, numbers in parts.items()} == {
        "train": 60,
        "valid": 10,
        "test": 30,
    }
    assert set.union(*parts.values()) == set(range(100))
    stream = digit_pairs(("1-2", "3-4"), root, ("1-2", "3-4"), 28)
    assert stream.stand_ins == ["1-2", "3-4"]
    assert {task.agreement for task in stream.tasks} == {"stand-in"}
    assert not any(task.complete or task.as_published for task in stream.tasks)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MNIST's test files in ../shared/data/extras")
def test_the_official_test_images() -> None:
    digits = read_stand_in(SHARED)
    assert sum(len(part.labels) for part in digits.parts.values()) == 10_000
    assert digits.parts["train"].labels[:6].tolist() == [7, 2, 1, 0, 4, 1]
    assert len(HELD_OUT) == 12


# --- tasks ---


def test_pairs_have_their_two_digits_as_labels_in_the_order_of_the_name(root: Path) -> None:
    stream = digit_pairs(("9-0", "1-2"), root, (), 28)
    whole = read_mnist(root).parts["train"]
    for task, digits in enumerate([(9, 0), (1, 2)]):
        images, labels = data_of(stream, "train", task)
        there = np.isin(whole.labels, digits)
        assert labels == [digits.index(d) for d in whole.labels[there]]
        expected = (torch.from_numpy(whole.images[there]).float() / 255 - MEAN) / DEVIATION
        torch.testing.assert_close(images[:, 0], expected)
        assert stream.class_names[task] == [str(d) for d in digits]
        assert stream.train_stream[task].task_label == task
        assert stream.train_stream[task].classes_in_this_experience == [0, 1]
    assert stream.scenario == "task"


def test_permutations_move_the_same_pixels_in_every_picture_and_share_one_head(root: Path) -> None:
    raw = root / "MNIST" / "raw"
    pictures = np.random.default_rng(1).integers(0, 256, (240, 28, 28))
    (raw / "train-images-idx3-ubyte").write_bytes(idx(pictures))
    stream = permuted_digits(("p1", "p2"), root, (), 28)
    plain = data_of(digit_pairs(("0-1-2-3-4-5-6-7-8-9",), root, (), 28), "train", 0)
    orders = []
    for task in range(2):
        images, labels = data_of(stream, "train", task)
        assert labels == plain[1]
        columns, shown = plain[0].flatten(1).T.tolist(), images.flatten(1).T.tolist()
        orders.append([columns.index(column) for column in shown])
        assert sorted(orders[-1]) == list(range(784))
    assert orders[0] != orders[1] != list(range(784))
    assert stream.scenario == "domain"
    assert stream.outputs == 10
    assert len(stream.train_stream[0].dataset[0]) == 2  # no task label
    again = permuted_digits(("p2",), root, (), 28)
    assert torch.equal(data_of(again, "train", 0)[0], data_of(stream, "train", 1)[0])


def test_the_split_tells_digits_pictures_and_order_apart(root: Path) -> None:
    digests = [task.split for task in permuted_digits(("p1", "p2"), root, (), 28).tasks]
    digests += [task.split for task in digit_pairs(("1-2", "3-4"), root, (), 28).tasks]
    digests += [task.split for task in digit_pairs(("1-2",), root, ("1-2",), 28).tasks]
    assert len(set(digests)) == 5
    assert digests[2] == digit_pairs(("1-2",), root, (), 28).tasks[0].split


def test_pictures_of_another_size(root: Path) -> None:
    images, _ = data_of(digit_pairs(("1-2",), root, (), 32), "test", 0)
    assert images.shape[1:] == (1, 32, 32)
    plain, _ = data_of(digit_pairs(("1-2",), root, (), 28), "test", 0)
    torch.testing.assert_close(images[:, :, 0, 0], plain[:, :, 0, 0])  # each is of one colour


@pytest.mark.usefixtures("small")
def test_drawn_digits_are_the_same_every_time_and_no_two_alike() -> None:
    one, other = draw_digits(28), draw_digits(28)
    for part, count in zip(PARTS, (30, 10, 20), strict=True):
        images = one.parts[part].images
        assert images.shape == (count, 28, 28)
        assert images.dtype == np.uint8
        assert np.array_equal(images, other.parts[part].images)
        assert np.bincount(one.parts[part].labels).tolist() == [count // 10] * 10
    everything = np.concatenate([one.parts[part].images for part in PARTS])
    assert len(np.unique(everything, axis=0)) == 60
    assert (everything.max(axis=(1, 2)) > 100).all()  # something is written
    assert np.median(everything) < 30  # on black
    stream = digit_pairs(("1-2",), None, (), 28)
    assert (stream.tasks[0].source, stream.tasks[0].agreement) == ("drawn", "drawn")
    assert stream.stand_ins == []
    assert tuple(PER_DIGIT) == PARTS


# --- what is missing or broken ---


def test_a_root_without_mnist_names_the_next_steps(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"use --download .* or leave out --root"):
        read_mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_mnist(tmp_path / "nowhere")


def test_test_images_alone_are_no_mnist(root: Path) -> None:
    for file in (root / "MNIST" / "raw").glob("train-*"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match="--stand-ins mnist to split the test images"):
        digit_pairs(("1-2",), root, (), 28)


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("train-images-idx3-ubyte", idx(np.zeros((240, 28, 28)))[:-1], "not a whole IDX file of 3"),
        ("train-images-idx3-ubyte", idx(np.zeros(240)), "not a whole IDX file of 3 axes"),
        ("train-images-idx3-ubyte", b"", "not a whole IDX file"),
        ("train-labels-idx1-ubyte", idx(np.zeros(239)), "240 images and 239 labels"),
        ("train-labels-idx1-ubyte", idx(np.full(240, 10)), "labels of up to 10"),
        ("t10k-images-idx3-ubyte.gz", b"no gzip", "cannot be read"),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(b"half of it", mtime=0)[:-9], "cannot be read"),
    ],
)
def test_a_broken_file_is_named(root: Path, name: str, data: bytes, complaint: str) -> None:
    (root / "MNIST" / "raw" / name).write_bytes(data)
    with pytest.raises(ValueError, match=complaint) as refused:
        read_mnist(root)
    assert name.split("-")[0] in str(refused.value)


# --- download ---


def test_torchvision_fetches_it_from_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, target = tmp_path / "served", tmp_path / "data"
    served.mkdir()
    target.mkdir()
    files = {f"{name}.gz": gzip.compress(data) for name, data in contents().items()}
    for name, data in files.items():
        (served / name).write_bytes(data)
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in files.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        fetch_mnist(target)
        server.shutdown()
    assert len(read_mnist(target).parts["test"].labels) == 100
    fetch_mnist(target)  # it is there: nothing is asked for


def test_a_server_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(OSError, match=r"MNIST could not be downloaded to .*by hand, or leave out"):
        fetch_mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        fetch_mnist(tmp_path / "nowhere")
