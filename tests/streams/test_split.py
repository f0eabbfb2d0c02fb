"""Halves, few classes and few pictures: fixed by the seed and the names, whatever the order."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avalanche_mas.streams import TASKS
from avalanche_mas.streams.pictures import ArrayPicture
from avalanche_mas.streams.split import (
    choose_classes,
    choose_images,
    digest,
    halve,
    with_classes,
)
from avalanche_mas.streams.task import Sample

PIXEL = np.zeros((1, 1, 3), np.uint8)


def make_samples(counts, kind=""):
    return [
        Sample(ArrayPicture(f"{kind}{c}/{i}", PIXEL), c)
        for c, n in enumerate(counts)
        for i in range(n)
    ]


def names(samples):
    return [sample.picture.name for sample in samples]


COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=6)
SEEDS = st.integers(0, 1000)


@given(COUNTS, SEEDS, st.randoms(use_true_random=False))
def test_halves_cover_without_overlap_and_do_not_depend_on_the_order(counts, seed, shuffler):
    samples = make_samples(counts)
    valid, test = halve(samples, seed)
    assert sorted(names(valid + test)) == sorted(names(samples))
    assert (len(valid), len(test)) == (len(samples) // 2, (len(samples) + 1) // 2)
    for c in range(len(counts)):
        inside = [sum(sample.label == c for sample in half) for half in (valid, test)]
        assert abs(inside[0] - inside[1]) <= 1
    shuffled = samples.copy()
    shuffler.shuffle(shuffled)
    assert [names(half) for half in halve(shuffled, seed)] == [names(valid), names(test)]


@pytest.mark.parametrize("name", [name for name in TASKS if name != "letters"])
def test_halves_have_the_published_sizes(name):
    sizes = TASKS[name].sizes
    valid, test = halve(make_samples([sizes.valid + sizes.test]), seed=0)
    assert (len(valid), len(test)) == sizes[1:]


def test_the_halves_never_change():
    valid, _ = halve(make_samples([6]), seed=0)
    assert names(valid) == ["0/2", "0/5", "0/3"]  # by sha256sum
    assert names(halve(make_samples([6]), seed=1)[0]) != names(valid)


@given(COUNTS, SEEDS, st.randoms(use_true_random=False), st.data())
def test_few_images_of_each_class(counts, seed, shuffler, data):
    count = data.draw(st.integers(1, min(counts)))
    samples = make_samples(counts)
    chosen = choose_images(samples, count, seed)
    assert [sum(s.label == c for s in chosen) for c in range(len(counts))] == [count] * len(counts)
    assert [s for s in samples if s in chosen] == list(chosen)  # in the order of the lists
    shuffled = samples.copy()
    shuffler.shuffle(shuffled)
    assert set(names(choose_images(shuffled, count, seed))) == set(names(chosen))
    if count > 1:  # fewer are a part of more
        assert set(names(choose_images(samples, count - 1, seed))) < set(names(chosen))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=9, unique=True), SEEDS, st.data())
def test_few_classes(classes, seed, data):
    count = data.draw(st.integers(1, len(classes)))
    chosen = choose_classes(classes, count, seed)
    assert len(set(chosen)) == count
    assert list(chosen) == sorted(chosen)
    turned = classes[::-1]
    assert {turned[c] for c in choose_classes(turned, count, seed)} == {classes[c] for c in chosen}
    samples = make_samples([2] * len(classes))
    kept = with_classes(samples, chosen)
    assert names(kept) == [f"{c}/{i}" for c in chosen for i in range(2)]
    assert [s.label for s in kept] == [c for c in range(count) for _ in range(2)]


def test_another_seed_gives_other_few():
    classes = [str(i) for i in range(40)]
    assert choose_classes(classes, 5, 0) != choose_classes(classes, 5, 1)
    samples = make_samples([40])
    assert names(choose_images(samples, 5, 0)) != names(choose_images(samples, 5, 1))
    assert names(choose_images(make_samples([6]), 3, 0)) == ["0/0", "0/2", "0/4"]  # by sha256sum


def test_too_many_are_refused():
    with pytest.raises(ValueError, match="classes=3, but there are only 2"):
        choose_classes(["a", "b"], 3, 0)
    with pytest.raises(ValueError, match="images_per_class=3, but class 1 has only 2"):
        choose_images(make_samples([4, 2]), 3, 0)


def test_digest_tells_part_label_and_name_whatever_the_order():
    samples = make_samples([3, 3])
    parts = {"train": samples[:4], "test": samples[4:]}
    whole = digest(parts)
    shuffled = random.Random(0).sample(samples[:4], 4)
    assert digest({"test": samples[4:], "train": shuffled}) == whole
    moved = {"train": samples[:3], "test": samples[3:]}
    renamed = {"train": make_samples([3, 1], "x"), "test": samples[4:]}
    relabelled = {**parts, "test": [Sample(s.picture, 0) for s in samples[4:]]}
    assert len({whole, *map(digest, (moved, renamed, relabelled))}) == 4
