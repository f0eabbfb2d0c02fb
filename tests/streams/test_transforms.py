"""From kept pixels to a network's input: shifts, crops, flips, normalisation."""

import numpy as np
import pytest
import torch
from layouts import WRITERS, write
from PIL import Image
from torchvision import transforms as official

from avalanche_mas.streams import IMAGENET, Normalisation, task_stream
from avalanche_mas.streams.geometry import ShorterSide, Square
from avalanche_mas.streams.pictures import ArrayPicture, FilePicture
from avalanche_mas.streams.transforms import Crop, Prepare, task_transforms

UNIT = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_squares_are_never_enlarged(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    picture = FilePicture("a", tmp_path / "a.png")
    assert Square(16)(picture).shape == (3, 16, 16)
    assert Square(64)(picture).shape == (3, 40, 40)


@pytest.mark.parametrize(("size", "kept"), [((40, 30), (20, 26)), ((30, 60), (40, 20))])
def test_the_shorter_side_is_shrunk_in_proportion(size, kept):
    picture = ArrayPicture("a", np.zeros((size[1], size[0], 3), np.uint8))
    assert ShorterSide(20)(picture).shape == (3, *kept)
    assert ShorterSide(99)(picture).shape == (3, size[1], size[0])


def test_shifts_move_the_picture_and_mirror_its_edge():
    torch.manual_seed(0)
    picture = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).expand(3, 16, 16)
    padded = torch.nn.functional.pad(picture.float(), (2, 2, 2, 2), mode="reflect")
    windows = [padded[:, i : i + 16, j : j + 16] for i in range(5) for j in range(5)]
    seen = set()
    for _ in range(300):
        moved = Prepare(16, UNIT, shift=True)(picture)
        [place] = [k for k, w in enumerate(windows) if torch.allclose(moved, w, atol=1e-3)]
        seen.add(place)
    assert seen == set(range(25))


def test_flips_mirror_half_of_the_pictures():
    torch.manual_seed(0)
    picture = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4)
    prepare = Prepare(4, UNIT, flip=True)
    results = [prepare(picture) for _ in range(200)]
    mirrored = sum(torch.allclose(r, picture.flip(-1).float(), atol=1e-3) for r in results)
    same = sum(torch.allclose(r, picture.float(), atol=1e-3) for r in results)
    assert mirrored + same == 200
    assert 60 < mirrored < 140


def test_small_pictures_are_enlarged_bilinearly():
    picture = torch.tensor([[0, 100], [0, 100]], dtype=torch.uint8).expand(3, 2, 2)
    expected = torch.tensor([0.0, 25.0, 75.0, 100.0]).expand(3, 4, 4)
    torch.testing.assert_close(Prepare(4, UNIT)(picture), expected)


def test_evaluation_of_the_paper_is_that_of_torchvision():
    pixels = noise(70, 110)
    steps = [official.Resize(64), official.CenterCrop(56), official.ToTensor()]
    expected = official.Compose([*steps, official.Normalize(*IMAGENET)])(Image.fromarray(pixels))
    made = task_transforms("paper", 56, IMAGENET, augment=True, flip=True)
    assert made.geometry == ShorterSide(64)  # 256 / 224 of 56
    kept = made.geometry(ArrayPicture("a", pixels))
    torch.testing.assert_close(made.evaluate(kept), expected, rtol=0, atol=1e-5)


def test_the_paper_crops_224_of_256():
    made = task_transforms("paper", 224, UNIT, augment=True, flip=True)
    assert made.geometry == ShorterSide(256)
    assert made.train(made.geometry(ArrayPicture("a", noise(300, 400)))).shape == (3, 224, 224)


def test_crops_in_training_are_from_everywhere_and_half_of_them_mirrored():
    torch.manual_seed(0)
    pixels = torch.arange(3 * 6 * 7, dtype=torch.uint8).reshape(3, 6, 7)
    windows = [pixels[:, i : i + 4, j : j + 4] for i in range(3) for j in range(4)]
    places = windows + [window.flip(-1) for window in windows]
    seen = []
    for _ in range(600):
        cropped = Crop(4, 6, UNIT, random=True, flip=True)(pixels)
        [place] = [k for k, w in enumerate(places) if torch.allclose(cropped, w.float(), atol=1e-3)]
        seen.append(place)
    assert set(seen) == set(range(24))
    assert 230 < sum(place >= 12 for place in seen) < 370


def test_small_pictures_are_enlarged_before_the_crop():
    pixels = torch.tensor([[0, 100], [0, 100], [0, 100], [0, 100]], dtype=torch.uint8).expand(
        3, 4, 2
    )
    cropped = Crop(2, 4, UNIT)(pixels)  # [8, 4]: 0, 25, 75, 100 in every row
    torch.testing.assert_close(cropped, torch.tensor([25.0, 75.0]).expand(3, 2, 2))


def test_without_augmentation_training_is_as_evaluation():
    for kind in ("shift", "paper"):
        made = task_transforms(kind, 16, UNIT, augment=False, flip=True)
        kept = made.geometry(ArrayPicture("a", noise(20, 30)))
        assert torch.equal(made.train(kept), made.evaluate(kept))


@pytest.mark.parametrize("name", ["letters", "svhn", "birds"])
def test_a_stream_with_the_transforms_of_the_paper(name, tmp_path):
    torch.manual_seed(0)
    write(tmp_path, name)
    stream = task_stream([name], tmp_path, image_size=28, transforms="paper", normalise=UNIT)
    train, test = (part[0].dataset for part in (stream.train_stream, stream.test_stream))
    assert train[0][0].shape == test[0][0].shape == (3, 28, 28)
    if name == "svhn":  # 32 x 32, its red and green tell which picture, all of one colour
        assert len({tuple(train[3][0].flatten().tolist()) for _ in range(9)}) == 1
    assert torch.equal(train.eval()[2][0], train.eval()[2][0])


@pytest.mark.parametrize("kind", ["shift", "paper"])
@pytest.mark.parametrize("name", WRITERS)
def test_only_letters_and_digits_are_never_mirrored(kind, name, tmp_path):
    write(tmp_path, name)
    stream = task_stream([name], tmp_path, image_size=16, transforms=kind)
    groups = stream.train_stream[0].dataset._flat_data._transform_groups
    assert groups["train"].transforms[0].flip == (name not in ("letters", "svhn"))
    assert not groups["eval"].transforms[0].flip
