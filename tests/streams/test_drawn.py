"""The drawn tasks: reproducible, balanced, all different, and with something to learn in them."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from avalanche_mas.streams import drawn
from avalanche_mas.streams.drawn import CLASSES, IMAGES_PER_CLASS, draw
from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import blend, brightness, contrasting, shade
from avalanche_mas.streams.drawn.fonts import FONTS, font
from avalanche_mas.streams.drawn.shapes import smooth

PAPER_ORDER = ["flowers", "scenes", "birds", "cars", "aircraft", "actions", "letters", "svhn"]
Drawn = dict[str, tuple[np.ndarray, np.ndarray]]
SMALL = 16


@pytest.fixture(scope="module", params=PAPER_ORDER)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def splits(task) -> Drawn:
    return {split: draw(task, split) for split in IMAGES_PER_CLASS}


def features(images: np.ndarray) -> np.ndarray:
    """Return histograms of edge directions in cells, and the picture in grey, both coarse."""
    grey = images.astype(np.float64).mean(axis=3) / 255
    dy, dx = np.gradient(grey, axis=(1, 2))
    strength, direction = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    cells = []
    for k in range(6):
        here = strength * (np.floor(direction / np.pi * 6) == k)
        cells.append(here.reshape(len(images), 8, 4, 8, 4).sum(axis=(2, 4)).reshape(-1, 64))
    small = grey.reshape(len(images), 16, 2, 16, 2).mean(axis=(2, 4)).reshape(-1, 256)
    found = np.concatenate([*cells, small], axis=1)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def ridge_accuracy(splits: Drawn, of_what) -> float:
    (train, labels), (test, truth) = splits["train"], splits["test"]
    known, asked = of_what(train), of_what(test)
    centre, spread = known.mean(axis=0), known.std(axis=0) + 1e-9
    known, asked = (known - centre) / spread, (asked - centre) / spread
    kernel, targets = known @ known.T, np.eye(labels.max() + 1)[labels]
    damping = 0.1 * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    weights = np.linalg.solve(kernel + damping, targets - targets.mean(axis=0))
    guess = asked @ known.T @ weights
    return float((guess.argmax(axis=1) == truth).mean())


def test_the_tasks_are_the_papers_in_its_order():
    assert list(CLASSES) == PAPER_ORDER


def test_class_names_are_distinct(task):
    names = CLASSES[task]
    assert len(set(names)) == len(names) >= 10


def test_shapes_types_and_balance(task, splits):
    for split, (images, labels) in splits.items():
        count = len(CLASSES[task]) * IMAGES_PER_CLASS[split]
        assert images.shape == (count, 32, 32, 3)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert set(np.bincount(labels)) == {IMAGES_PER_CLASS[split]}
        assert set(labels) == set(range(len(CLASSES[task])))


def test_pictures_have_contrast(splits):
    images, _ = splits["train"]
    assert (images.reshape(len(images), -1).std(axis=1) > 4).all()
    assert 60 < images.mean() < 200


def test_no_picture_occurs_twice(splits):
    images = np.concatenate([images for images, _ in splits.values()])
    assert len({image.tobytes() for image in images}) == len(images)


def test_the_same_call_gives_the_same(task):
    (images, labels), (again, same) = (draw(task, "valid", size=SMALL) for _ in range(2))
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, same)


def test_another_seed_gives_other_pictures(task):
    images, labels = draw(task, "valid", size=SMALL, seed=1)
    first, same = draw(task, "valid", size=SMALL, seed=0)
    np.testing.assert_array_equal(labels, same)
    assert not (images == first).all(axis=(1, 2, 3)).any()


def test_order_and_global_random_numbers_do_not_matter():
    before = draw("letters", "valid", size=SMALL)[0]
    draw("svhn", "valid", size=SMALL, seed=5)
    draw("letters", "test", size=SMALL)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 - the legacy generator is what must not matter
    np.testing.assert_array_equal(before, draw("letters", "valid", size=SMALL)[0])


def test_global_random_states_are_left_alone():
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    draw("birds", "valid", size=SMALL)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_same_things_are_in_the_same_places_at_another_size(task):
    small, _ = draw(task, "valid", size=24)
    large, _ = draw(task, "valid", size=48)
    pairs = [
        (
            np.asarray(Image.fromarray(big).reduce(4), float),
            np.asarray(Image.fromarray(b).reduce(2)),
        )
        for big, b in zip(large, small, strict=True)
    ]
    gaps = [np.abs(big - little).mean() for big, little in pairs]
    assert np.mean(gaps) < 6
    others = [np.abs(pairs[i][0] - pairs[i - 1][1]).mean() for i in range(len(pairs))]
    assert np.mean(gaps) < np.mean(others) / 4


def test_shape_tells_the_classes_apart(task, splits):
    assert ridge_accuracy(splits, features) > 5 / len(CLASSES[task])


def test_the_mean_colour_does_not(task, splits):
    def colours(images):
        pixels = images.reshape(len(images), -1, 3).astype(np.float64) / 255
        return np.concatenate([pixels.mean(axis=1), pixels.std(axis=1)], axis=1)

    assert ridge_accuracy(splits, colours) < 2.5 / len(CLASSES[task])


def test_every_class_looks_different_from_every_other(splits):
    images, labels = splits["train"]
    other, truth = splits["test"]
    means = np.stack([features(images[labels == c]).mean(axis=0) for c in range(labels.max() + 1)])
    again = np.stack([features(other[truth == c]).mean(axis=0) for c in range(labels.max() + 1)])
    gaps = np.linalg.norm(again[:, None] - means[None], axis=2)
    assert (gaps.argmin(axis=1) == np.arange(len(means))).mean() >= 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fish", "train"), "task must be one of 'flowers', 'scenes', 'birds', .*, got 'fish'"),
        (("birds", "dev"), "split must be one of 'train', 'valid', 'test', got 'dev'"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)


@pytest.mark.parametrize("size", [0, -32, 8, 1000, 32.5])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=rf"16 to 256 pixels, got {size}"):
        draw("birds", "valid", size=size)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        draw("birds", "valid", seed=-1)


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        CLASSES["birds"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        drawn.IMAGES_PER_CLASS["train"] = 1  # type: ignore[index]


def filled_square(view: Canvas) -> np.ndarray:
    view.box(-0.5, -0.5, 0.5, 0.5, (255, 255, 255))
    return np.asarray(view.image)[:, :, 0] > 127


def test_views_move_scale_and_turn():
    upright = filled_square(Canvas.blank(64))
    rows, columns = np.nonzero(upright)
    assert (rows.min(), columns.min()) == (16, 16)
    moved = filled_square(Canvas.blank(64).at((0.5, 0.25), 0.5))
    assert abs(np.nonzero(moved)[1].mean() - 48) < 1
    assert abs(np.nonzero(moved)[0].mean() - 40) < 1
    assert 0.2 < moved.sum() / upright.sum() < 0.3
    turned = filled_square(Canvas.blank(64).at(angle=np.pi / 4))
    assert abs(turned.sum() / upright.sum() - 1) < 0.1
    assert np.nonzero(turned)[0].min() < 12


@pytest.mark.parametrize("name", FONTS)
def test_a_glyph_fills_its_height_in_every_font(name):
    canvas = Canvas.blank(128)
    canvas.at(scale=0.5).glyph("H", font(name), (255, 255, 255))
    rows, columns = np.nonzero(np.asarray(canvas.image)[:, :, 0] > 127)
    assert abs((rows.max() - rows.min()) - 64) < 6
    assert abs((rows.max() + rows.min()) / 2 - 63.5) < 3
    assert abs((columns.max() + columns.min()) / 2 - 63.5) < 3


def test_the_fonts_differ():
    masks = [bytes(font(name).getmask("R").resize((32, 32))) for name in FONTS]
    assert len(set(masks)) == len(FONTS)


channel = st.integers(0, 255)
colour = st.tuples(channel, channel, channel)


@given(colour, colour, st.floats(0, 2))
def test_colours_stay_colours(first, second, factor):
    for found in (shade(first, factor), blend(first, second, factor / 2)):
        assert all(isinstance(c, int) and 0 <= c <= 255 for c in found)
    assert blend(first, second, 0.0) == first
    assert blend(first, second, 1.0) == second


@settings(max_examples=30)
@given(colour, st.integers(0, 2**32))
def test_a_contrasting_colour_contrasts(ground, seed):
    found = contrasting(np.random.default_rng(seed), ground, 0.3)
    assert abs(brightness(found) - brightness(ground)) >= 0.3


def test_smoothing_keeps_the_ends_of_an_open_line_and_shrinks_a_closed_one():
    corner = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    line = smooth(corner, closed=False)
    np.testing.assert_array_equal(line[[0, -1]], [corner[0], corner[-1]])
    ring = smooth(corner)
    assert np.ptp(ring, axis=0).max() < 0.9
    np.testing.assert_allclose(ring.mean(axis=0), np.mean(corner, axis=0))
