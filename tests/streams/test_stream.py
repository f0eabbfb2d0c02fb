"""The benchmark: labels, parts, transforms, bad arguments, and real strategies trained on it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import TextLogger
from avalanche.models import MTSimpleMLP
from avalanche.training import JointTraining, LwF, Naive
from avalanche.training.plugins import EvaluationPlugin
from layouts import TEST, TRAIN, WRITERS, write
from PIL import Image
from torch.nn import CrossEntropyLoss
from torch.optim import SGD
from torch.utils.data import DataLoader

from avalanche_mas.streams import (
    IMAGENET,
    TASKS,
    Normalisation,
    Sizes,
    drawn,
    eight_tasks,
    registry,
    task_stream,
)

SIZE = 16
UNIT = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))


@pytest.fixture
def root(tmp_path):
    write(tmp_path, *WRITERS)
    return tmp_path


@pytest.fixture
def few_drawn(monkeypatch):
    """Draw few pictures of a class."""
    monkeypatch.setattr(drawn, "IMAGES_PER_CLASS", {"train": 4, "valid": 2, "test": 2})


def test_stream_of_all_eight(root):
    stream = eight_tasks(root=root, image_size=SIZE)
    assert stream.task_names == list(TASKS) == list(WRITERS)
    assert [len(names) for names in stream.class_names] == [3] * 7 + [10]
    assert [task.sizes for task in stream.tasks] == [
        (3 * TRAIN, 4, 5) if name != "svhn" else (40, 15, 15) for name in WRITERS
    ]
    assert not any(task.as_published or task.stand_in for task in stream.tasks)
    for part in (stream.train_stream, stream.valid_stream, stream.test_stream):
        assert len(part) == 8
        for number, experience in enumerate(part):
            classes = len(stream.class_names[number])
            assert experience.task_label == number
            assert experience.task_labels == [number]
            assert experience.classes_in_this_experience == list(range(classes))
            x, y, t = experience.dataset[0]
            assert x.shape == (3, SIZE, SIZE)
            assert x.dtype == torch.float32
            assert t == number
            assert set(experience.dataset.targets) == set(range(classes))
            assert y in range(classes)


@pytest.mark.usefixtures("few_drawn")
def test_drawn_is_the_default():
    stream = task_stream(["svhn", "letters"])
    assert stream.task_names == ["svhn", "letters"]
    assert stream.class_names == [list(drawn.CLASSES[name]) for name in ("svhn", "letters")]
    assert stream.train_stream[0].dataset[0][0].shape == (3, 32, 32)
    for part, experience in (
        ("train", stream.train_stream[0]),
        ("valid", stream.valid_stream[0]),
        ("test", stream.test_stream[0]),
    ):
        pixels, labels = drawn.draw("svhn", part, size=32)
        assert list(experience.dataset.targets) == labels.tolist()
        data = experience.dataset.eval()
        mean, deviation = (torch.tensor(v)[:, None, None] for v in IMAGENET)
        for i in (0, len(labels) - 1):
            expected = (torch.from_numpy(pixels[i]).permute(2, 0, 1) / 255 - mean) / deviation
            torch.testing.assert_close(data[i][0], expected)
    assert [task.source for task in stream.tasks] == ["drawn", "drawn"]
    assert eight_tasks("drawn", image_size=SIZE).task_names == list(TASKS)


@pytest.mark.usefixtures("few_drawn")
def test_seed_of_the_drawing():
    one, same, other = (
        task_stream(["svhn"], image_size=SIZE, seed=s).test_stream[0].dataset[0][0]
        for s in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def svhn_parts(root, seed=0):
    """Which pictures are in which part: what was written into green and blue says it."""
    stream = task_stream(["svhn"], root, image_size=32, seed=seed, normalise=UNIT, augment=False)
    return [
        [tuple(x[1:, 0, 0].round().int().tolist()) for x, *_ in experience.dataset]
        for [experience] in (stream.train_stream, stream.valid_stream, stream.test_stream)
    ]


def test_validation_and_test_are_disjoint_halves_of_the_official_test_set(tmp_path):
    write(tmp_path, "svhn")
    train, valid, test = svhn_parts(tmp_path)
    assert sorted(train) == [(i, 0) for i in range(10 * TRAIN)]
    assert sorted(valid + test) == [(i, 255) for i in range(10 * TEST)]
    assert len(valid) == len(test)
    assert svhn_parts(tmp_path) == [train, valid, test]
    assert sorted(svhn_parts(tmp_path, seed=1)[1]) != sorted(valid)


@pytest.mark.usefixtures("few_drawn")
def test_training_is_augmented_and_evaluation_is_not():
    torch.manual_seed(0)
    stream = task_stream(["svhn"], image_size=SIZE)
    still = task_stream(["svhn"], image_size=SIZE, augment=False).train_stream[0].dataset
    train, test = stream.train_stream[0].dataset, stream.test_stream[0].dataset
    assert len({tuple(train[0][0].flatten().tolist()) for _ in range(8)}) > 1
    assert len({tuple(train.eval()[0][0].flatten().tolist()) for _ in range(8)}) == 1
    assert len({tuple(test.train()[0][0].flatten().tolist()) for _ in range(8)}) == 1
    assert torch.equal(still[0][0], train.eval()[0][0])


@pytest.mark.parametrize(("name", "flips"), [("letters", False), ("flowers", True)])
def test_letters_are_never_flipped(name, flips, tmp_path):
    torch.manual_seed(0)
    write(tmp_path, name)
    half = Image.new("RGB", (32, 32), "red")
    half.paste("black", (16, 0, 32, 32))
    for path in [*tmp_path.rglob("*.jpg"), *tmp_path.rglob("*.png")]:
        half.save(path)
    [experience] = task_stream([name], tmp_path, image_size=SIZE).train_stream
    mirrored = [x[0, :, :8].mean() < x[0, :, 8:].mean() for x, *_ in experience.dataset]
    assert any(mirrored) == flips
    assert not all(mirrored)


def test_digits_are_not_to_be_flipped():
    assert {name for name, task in TASKS.items() if not task.flip} == {"letters", "svhn"}


def test_own_normalisation(root):
    plain = task_stream(["svhn"], root, image_size=32, normalise=UNIT).test_stream[0].dataset[0][0]
    usual = task_stream(["svhn"], root, image_size=32).test_stream[0].dataset[0][0]
    mean, deviation = (torch.tensor(v)[:, None, None] for v in IMAGENET)
    torch.testing.assert_close((plain / 255 - mean) / deviation, usual)


def test_normalisation_of_some_tasks(root):
    names = ["cars", "svhn"]
    own = task_stream(names, root, image_size=SIZE, normalise={"svhn": UNIT})
    usual, unit = (task_stream(names, root, image_size=SIZE, normalise=n) for n in (None, UNIT))
    for number, expected in ((0, usual), (1, unit)):
        x, other = (s.test_stream[number].dataset[0][0] for s in (own, expected))
        assert torch.equal(x, other)


def test_few_classes_and_few_images(root):
    options = {"image_size": 32, "normalise": UNIT, "augment": False}
    [whole] = task_stream(["svhn"], root, **options).tasks
    stream = task_stream(["svhn"], root, **options, classes=4, images_per_class=2)
    [task] = stream.tasks
    assert len(task.classes) == 4
    assert list(task.classes) == sorted(task.classes)
    assert (task.sizes.train, task.sizes.valid + task.sizes.test) == (4 * 2, 4 * TEST)
    assert (task.as_published, task.complete, task.split == whole.split) == (False, False, False)
    for part in (stream.train_stream, stream.valid_stream, stream.test_stream):
        [experience] = part
        assert experience.classes_in_this_experience == [0, 1, 2, 3]
        for x, y, _ in experience.dataset:  # red is 20 times the digit, and 10 for the digit 0
            assert round(float(x[0, 0, 0])) == 20 * (int(task.classes[y]) or 10)
    again = task_stream(["svhn"], root, **options, classes=4, images_per_class=2)
    other = task_stream(["svhn"], root, **options, classes=4, images_per_class=2, seed=1)
    assert again.tasks == stream.tasks
    assert other.tasks[0].split != task.split


@pytest.mark.usefixtures("few_drawn")
def test_few_drawn_pictures():
    stream = task_stream(["letters"], image_size=SIZE, classes=3, images_per_class=2)
    [task] = stream.tasks
    assert task.sizes == (6, 6, 6)
    assert set(task.classes) < set(drawn.CLASSES["letters"])
    assert task.agreement == "drawn"


def test_too_few_for_few(root):
    with pytest.raises(ValueError, match="cars: classes=4, but there are only 3"):
        task_stream(["cars"], root, image_size=SIZE, classes=4)
    with pytest.raises(ValueError, match=r"cars: images_per_class=9, but class .* has only 4"):
        task_stream(["cars"], root, image_size=SIZE, images_per_class=9)


def test_a_test_set_that_cannot_be_halved(tmp_path):
    write(tmp_path, "scenes")
    path = tmp_path / "indoorCVPR_09" / "TestImages.txt"
    path.write_text(path.read_text().split("\n")[0])
    with pytest.raises(ValueError, match=r"scenes: .* has 12 train, 0 validation, 1 test"):
        task_stream(["scenes"], tmp_path, image_size=SIZE)


def test_the_split_is_recorded(root):
    one, same, other = (
        task_stream(["cars"], root, image_size=s, seed=seed).tasks[0].split
        for s, seed in ((16, 0), (20, 0), (16, 1))
    )
    assert one == same != other
    assert len(one) == 16


@pytest.mark.parametrize("name", ["flowers", "letters"])
def test_truncated_picture_is_named(name, tmp_path):
    path = write(tmp_path, name)
    path.write_bytes(path.read_bytes()[:-200] if name == "flowers" else path.read_bytes()[:60])
    with pytest.raises(ValueError, match="is not a readable image") as caught:
        task_stream([name], tmp_path, image_size=SIZE)
    assert str(path) in str(caught.value)


def test_incomplete_data_set_names_the_picture(tmp_path):
    path = write(tmp_path, "birds")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        task_stream(["birds"], tmp_path)


def test_stand_ins_are_read_only_when_asked_for_and_are_marked(tmp_path):
    write(tmp_path / "stand-ins", "scenes")
    write(tmp_path, "aircraft", "birds")
    for path in (tmp_path / "fgvc-aircraft-2013b").rglob("*.jpg"):
        Image.open(path).convert("L").save(path)
    tasks = ["birds", "scenes", "aircraft"]
    with pytest.raises(FileNotFoundError, match="scenes: there is no folder"):
        task_stream(tasks, tmp_path, image_size=SIZE)
    with pytest.raises(ValueError, match="aircraft: no picture under"):
        task_stream(tasks, tmp_path, image_size=SIZE, stand_ins=["scenes"])
    stream = task_stream(tasks, tmp_path, image_size=SIZE, stand_ins=["scenes", "aircraft"])
    assert stream.stand_ins == ["scenes", "aircraft"]
    assert [task.stand_in for task in stream.tasks] == [False, True, True]
    below = task_stream(["scenes"], tmp_path / "stand-ins", image_size=SIZE)
    assert below.stand_ins == ["scenes"]


def test_a_stand_in_is_never_as_published(tmp_path, monkeypatch):
    small = replace(TASKS["scenes"], num_classes=3, sizes=Sizes(12, 4, 5))
    monkeypatch.setattr(registry, "TASKS", {"scenes": small})
    write(tmp_path, "scenes")
    [real] = task_stream(["scenes"], tmp_path, image_size=SIZE).tasks
    [other] = task_stream(["scenes"], tmp_path, image_size=SIZE, stand_ins=["scenes"]).tasks
    assert (real.as_published, real.stand_in) == (True, False)
    assert (other.as_published, other.stand_in) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tasks": []}, ValueError, "at least one task; the tasks are flowers, scenes, birds"),
        ({"tasks": ["birds", "bees"]}, ValueError, "unknown task 'bees'; the tasks are flowers"),
        ({"tasks": ["birds", "cars", "birds"]}, ValueError, "task 'birds' is given twice"),
        ({"tasks": "birds"}, TypeError, r"list of names, not the string 'birds'"),
        ({"source": "drawn", "root": "here"}, ValueError, "root='here' was given"),
        ({"source": "real"}, ValueError, "real data need root="),
        (
            {"source": "painted"},
            ValueError,
            "source must be one of 'drawn', 'real', got 'painted'",
        ),
        ({"image_size": 0}, ValueError, "image_size must be an int of at least 16, not 0"),
        ({"image_size": 64.0}, ValueError, "not 64.0"),
        ({"image_size": True}, ValueError, "not True"),
        ({"root": "nowhere"}, FileNotFoundError, "the data folder nowhere does not exist"),
        ({"stand_ins": ["birds"]}, ValueError, "stand-in 'birds' is not one of the real tasks"),
        ({"root": "x", "stand_ins": ["cars"]}, ValueError, "stand-in 'cars' is not one"),
        ({"root": "x", "stand_ins": "birds"}, TypeError, "not the string 'birds'"),
        (
            {"transforms": "papers"},
            ValueError,
            "transforms must be one of 'shift', 'paper', got 'papers'",
        ),
        (
            {"scenario": "classes"},
            ValueError,
            "scenario must be one of 'task', 'domain', 'class', got 'classes'",
        ),
        ({"classes": 0}, ValueError, "classes must be an int of at least 1, or None, not 0"),
        ({"classes": True}, ValueError, "classes must be an int of at least 1, or None, not True"),
        ({"images_per_class": 1.5}, ValueError, "images_per_class must be an int .* not 1.5"),
        ({"cache": 3}, TypeError, 'cache must be "memory", a folder or None, not 3'),
        ({"cache": "none"}, ValueError, 'cache="none" could be a folder; say None'),
        ({"normalise": {"cars": UNIT}}, ValueError, "normalise names 'cars'; .* are \\['birds'\\]"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        task_stream(**{"tasks": ["birds"], **arguments})


@pytest.fixture
def colours(root):
    """Three tasks whose classes differ in colour."""
    return task_stream(["cars", "aircraft", "letters"], root, image_size=SIZE)


def strategy(kind, epochs, **options):
    torch.manual_seed(0)
    model = MTSimpleMLP(input_size=3 * SIZE * SIZE, hidden_size=16)
    return kind(
        model=model,
        optimizer=SGD(model.parameters(), lr=0.01),
        criterion=CrossEntropyLoss(),
        train_mb_size=6,
        train_epochs=epochs,
        evaluator=EvaluationPlugin(
            accuracy_metrics(experience=True), loggers=TextLogger(io.StringIO())
        ),
        **options,
    )


def accuracy(model, experience):
    x, y, t = next(iter(DataLoader(experience.dataset.eval(), batch_size=100)))
    with torch.no_grad():
        return (model.eval()(x, t).argmax(1) == y).float().mean().item()


@pytest.mark.parametrize(("kind", "options"), [(Naive, {}), (LwF, {"alpha": 1, "temperature": 2})])
def test_strategies_with_heads_of_their_own_learn(kind, options, colours):
    learner = strategy(kind, epochs=10, **options)
    for experience, valid in zip(colours.train_stream, colours.valid_stream, strict=True):
        learner.train(experience, eval_streams=[valid])
        assert accuracy(learner.model, valid) == 1
    assert {
        name: head.classifier.out_features
        for name, head in learner.model.classifier.classifiers.items()
    } == {"0": 3, "1": 3, "2": 3}
    learner.eval(colours.test_stream)


def test_joint_training(colours):
    learner = strategy(JointTraining, epochs=10)
    learner.train(colours.train_stream)
    for experience in colours.test_stream:
        assert accuracy(learner.model, experience) == 1


SHARED = Path(__file__).parents[3] / "shared" / "data"
PROVENANCE = {  # classes, training and test pictures (or persons), as PROVENANCE.md counts them
    "flowers": (102, 2040, 6149),
    "scenes": (15, 1050, 450),
    "birds": (40, 1181, 800),
    "cars": (40, 1176, 473),
    "aircraft": (40, 1400, 720),
    "actions": (7, 582 - 1, 307),  # one person takes a photo while riding; see `actions.read`
    "letters": (26, None, None),  # without the digits
    "svhn": (10, 779, 304),
}
LEFT_OUT = {
    "actions": {"persons with several actions": 1, "classes without pictures": 4},
    "letters": {"digits": 511, "classes without pictures": 26},
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this checkout")
@pytest.mark.parametrize("name", TASKS)
def test_counts_of_the_shared_data(name):
    stand_ins = [name] if name in ("scenes", "aircraft", "actions") else []
    [task] = task_stream([name], SHARED, image_size=SIZE, stand_ins=stand_ins, cache=None).tasks
    classes, train, test = PROVENANCE[name]
    if name == "letters":
        lists = [
            (SHARED / "ListsTXT" / f"{part}list.txt").read_text() for part in ("train", "test")
        ]
        train, test = (sum(int(r.split()[1]) > 10 for r in part.splitlines()) for part in lists)
    assert (len(task.classes), *task.sizes) == (classes, train, test // 2, test - test // 2)
    assert task.stand_in == bool(stand_ins)
    assert task.as_published == task.complete == (name == "flowers")
    assert task.left_out == LEFT_OUT.get(name, {})
