"""Tiny data sets in the official layouts, written in code.

Every data set has three classes with four training and three test pictures each (SVHN: all ten).
The colour of a picture is that of its class, so that a wrong label shows.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

TRAIN, TEST = 4, 3
COLOURS = {0: (220, 30, 30), 1: (30, 220, 30), 2: (30, 30, 220)}


def picture(path, label, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, COLOURS[label]).save(path)


def text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def samples():
    """Yield (part, label, number of the picture from 1), in no helpful order."""
    rows = [("train", c) for c in range(3) for _ in range(TRAIN)]
    rows += [("test", c) for c in range(3) for _ in range(TEST)]
    order = np.random.default_rng(0).permutation(len(rows))
    for number, i in enumerate(order, start=1):
        yield *rows[i], number


def flowers(root):
    folder, parts, labels = root / "flowers-102", {"train": [], "test": []}, []
    for part, label, number in samples():
        picture(folder / "jpg" / f"image_{number:05d}.jpg", label)
        labels.append([5, 50, 102][label])
        parts[part].append(number)
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    half = len(parts["train"]) // 2
    ids = {"trnid": parts["train"][:half], "valid": parts["train"][half:], "tstid": parts["test"]}
    savemat(folder / "setid.mat", {k: np.array([v], np.uint16) for k, v in ids.items()})
    return folder / "jpg" / f"image_{parts['test'][0]:05d}.jpg"


def scenes(root):
    folder, parts = root / "indoorCVPR_09", {"train": [], "test": []}
    for part, label, number in samples():
        name = f"{['airport_inside', 'bar', 'closet'][label]}/a {number}.jpg"
        picture(folder / "Images" / name, label)
        parts[part].append(name)
    text(folder / "TrainImages.txt", parts["train"])
    text(folder / "TestImages.txt", parts["test"])
    return folder / "Images" / parts["test"][0]


def birds(root):
    folder = root / "CUB_200_2011"
    names = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross"]
    images, labels, split = [], [], []
    for part, label, number in samples():
        images.append(f"{number} {names[label]}/bird_{number}.jpg")
        labels.append(f"{number} {label + 1}")
        split.append(f"{number} {int(part == 'train')}")
        picture(folder / "images" / images[-1].split()[1], label)
    text(folder / "images.txt", images)
    text(folder / "image_class_labels.txt", labels)
    text(folder / "train_test_split.txt", split)
    text(folder / "classes.txt", [f"{i} {name}" for i, name in enumerate(names, start=1)])
    return folder / "images" / images[0].split()[1]


def car_annotations(path, rows, labelled=True):
    kind = [(f"bbox_{c}", "O") for c in ("x1", "y1", "x2", "y2")]
    kind += [("class", "O")] * labelled + [("fname", "O")]
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [(1, 1, 40, 30, *([label] if labelled else []), name) for label, name in rows]
    savemat(path, {"annotations": np.array([cells], dtype=kind).reshape(1, -1)})


def cars(root):
    folder, parts = root / "stanford_cars", {"train": [], "test": []}
    for part, label, number in samples():
        parts[part].append((label + 1, f"{number:05d}.jpg"))
        picture(folder / f"cars_{part}" / f"{number:05d}.jpg", label)
    names = np.array([["AM General Hummer", "Acura RL", "Audi R8"]], dtype=object)
    (folder / "devkit").mkdir()
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})
    car_annotations(folder / "devkit" / "cars_train_annos.mat", parts["train"])
    car_annotations(folder / "cars_test_annos_withlabels.mat", parts["test"])
    return folder / "cars_test" / parts["test"][0][1]


def aircraft(root):
    folder, parts = root / "fgvc-aircraft-2013b" / "data", {"trainval": [], "test": []}
    names = ["707-320", "A300B4", "Eurofighter Typhoon"]
    for part, label, number in samples():
        part = {"train": "trainval"}.get(part, part)
        parts[part].append(f"{number:07d} {names[label]}")
        picture(folder / "images" / f"{number:07d}.jpg", label)
    text(folder / "variants.txt", names)
    for part, rows in parts.items():
        text(folder / f"images_variant_{part}.txt", rows)
    return folder / "images" / f"{parts['test'][0].split()[0]}.jpg"


def person(action, box=(5, 5, 15, 25), also=()):
    left, top, right, bottom = box
    flags = "".join(
        f"<{a}>{int(a == action or a in also)}</{a}>" for a in ("jumping", "phoning", "other")
    )
    return (
        f"<object><name>person</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox><actions>{flags}</actions></object>"
    )


def actions(root):
    """Two persons in one image of each part: the second phones, too."""
    folder, parts = root / "VOCdevkit" / "VOC2012", {"train": [], "val": []}
    names = ["jumping", "phoning", "other"]
    for part, label, number in samples():
        part = {"test": "val"}.get(part, part)
        name = f"2010_{number:06d}"
        double = person("jumping", also=["phoning"]) if not parts[part] else ""
        text(
            folder / "Annotations" / f"{name}.xml",
            [f"<annotation>{person(names[label])}{double}</annotation>"],
        )
        picture(folder / "JPEGImages" / f"{name}.jpg", label)
        parts[part].append(name)
    for part, rows in parts.items():
        text(folder / "ImageSets" / "Action" / f"{part}.txt", rows)
    return folder / "JPEGImages" / f"{parts['val'][0]}.jpg"


def letters(root):
    """Two digits 0 beside letters B, Z and a, some bad; filling zeros, repeated columns."""
    names, labels, test = [], [], []
    for part, label, number in samples():
        labels.append([12, 36, 37][label])
        kind = "BadImag" if part == "train" and label == 0 else "GoodImg"
        names.append(f"{kind}/Bmp/Sample{labels[-1]:03d}/img{number:05d}")
        picture(root / "English" / "Img" / f"{names[-1]}.png", label)
        if part == "test":
            test.append(number)
    names += [f"{kind}/Bmp/Sample001/img1" for kind in ("GoodImg", "BadImag")]
    labels += [1, 1]
    rows = {
        "ALLnames": [f"'{name} '" for name in names],
        "ALLlabels": [f"{label};" for label in labels],
        "is_good": [str(int(name.startswith("Good"))) for name in names],
        "TSTind": [f"{n} {n}" for n in test] + ["0 0"],
    }
    lists = [f"list.{field} = [" + "\n".join(values) + "\n];" for field, values in rows.items()]
    text(root / "ListsTXT" / "list_English_Img.m", lists)
    return root / "English" / "Img" / f"{names[test[0] - 1]}.png"


def svhn(root):
    (root / "svhn").mkdir(parents=True)
    for part, each in (("train", TRAIN), ("test", TEST)):
        labels = np.tile(np.arange(1, 11), each)
        pixels = np.zeros((32, 32, 3, len(labels)), np.uint8)
        pixels[..., 0, :] = 20 * labels
        pixels[..., 1, :] = np.arange(len(labels))
        pixels[..., 2, :] = {"train": 0, "test": 255}[part]
        savemat(root / "svhn" / f"{part}_32x32.mat", {"X": pixels, "y": labels[:, None]})


WRITERS = {
    "flowers": flowers,
    "scenes": scenes,
    "birds": birds,
    "cars": cars,
    "aircraft": aircraft,
    "actions": actions,
    "letters": letters,
    "svhn": svhn,
}


def write(root, *names):
    """Write data sets; return a test picture of the last one."""
    return [WRITERS[name](Path(root)) for name in names][-1]
