"""PASCAL VOC 2012, action classification: one sample is one person.

The official training and validation lists have 6,278 persons (the official test list has no labels and
is not used). The published sizes add up to 6,210, which is what remains if 68 persons have two actions.
This could not be verified on the official files; ``left_out`` gives the count for any copy of them.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

from avalanche_mas.streams.files import lines, require
from avalanche_mas.streams.pictures import Box, FilePicture
from avalanche_mas.streams.task import Listed, Reading, Sizes, Task, make_reading

NAMES = (
    "jumping",
    "phoning",
    "playinginstrument",
    "reading",
    "ridingbike",
    "ridinghorse",
    "running",
    "takingphoto",
    "usingcomputer",
    "walking",
    "other",
)
MARGIN = 0.25
"""Each side of a person's box moves out by this fraction of its size, to include horse or camera."""


def read(root: Path) -> Reading:
    """Read ``VOCdevkit/VOC2012/{ImageSets/Action, Annotations, JPEGImages}``.

    A line names an image, for every person in it with an annotated action, or an image and the
    number of one object in it. A person with several actions has no single label and is left out.
    """
    folder = root / "VOCdevkit" / "VOC2012"
    left_out = {"persons with several actions": 0, "persons without an action": 0}

    def listed(part: str) -> Listed:
        for row in lines(folder / "ImageSets" / "Action" / f"{part}.txt"):
            image, *numbers = row.split()
            for index, person in _persons(folder / "Annotations" / f"{image}.xml", numbers):
                actions = _actions(person, image, index)
                if len(actions) != 1:
                    kind = "with several actions" if actions else "without an action"
                    left_out[f"persons {kind}"] += 1
                    continue
                path = folder / "JPEGImages" / f"{image}.jpg"
                picture = FilePicture(f"{image}/{index}", path, _box(person, image))
                yield picture, NAMES.index(actions[0])

    return make_reading(NAMES, listed("train"), listed("val"), left_out)


def _persons(path: Path, numbers: list[str]) -> list[tuple[str, ET.Element]]:
    """Return the objects with these numbers, counted from 1; without numbers, all with actions."""
    try:
        # Annotations of a published data set, whose sum `data fetch` compares.
        objects = ET.parse(require(path)).getroot().findall("object")  # noqa: S314
    except ET.ParseError as error:
        raise ValueError(f"{path} is not a readable annotation: {error}") from error
    if not numbers:
        every = [(str(i), person) for i, person in enumerate(objects, start=1)]
        return [(i, person) for i, person in every if person.find("actions") is not None]
    for number in numbers:
        if not number.isdecimal() or len(number) > 9 or not 1 <= int(number) <= len(objects):
            raise ValueError(f"{path} has no object {number:.20}, only 1..{len(objects)}")
    return [(number, objects[int(number) - 1]) for number in numbers]


def _actions(person: ET.Element, image: str, index: str) -> list[str]:
    flags = person.find("actions")
    if flags is None:
        raise ValueError(f"{image}.xml, object {index}: it has no actions")
    actions = [flag.tag for flag in flags if _number(flag.text or "0", image) > 0]
    for action in actions:
        if action not in NAMES:
            raise ValueError(f"{image}.xml, object {index}: {action!r} is not one of {NAMES}")
    return actions


def _box(person: ET.Element, image: str) -> Box:
    """Return the person's box, widened by the margin."""
    left, top, right, bottom = (
        _number(person.findtext(f"bndbox/{side}", "nan"), image)
        for side in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (-math.inf < left < right < math.inf and -math.inf < top < bottom < math.inf):
        raise ValueError(f"{image}.xml: a person's box is {left, top, right, bottom}")
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    return round(left - across), round(top - down), round(right + across), round(bottom + down)


def _number(text: str, image: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{image}.xml: {text!r} is no number") from None


ACTIONS = Task(
    name="actions",
    title="PASCAL VOC 2012 Actions",
    num_classes=11,
    sizes=Sizes(3102, 1554, 1554),
    address="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    checksums={"VOCtrainval_11-May-2012.tar": "6cd6e144f989b92b3379bac3b3de84fd"},
    licence="research; the photographs keep their owners' rights (Flickr)",
    split="persons with exactly one action; those of the official train list are the training set, "
    "those of the official val list halved into validation and test by person, so that persons of one "
    "photograph may be in both",
    folder="VOCdevkit",
    read=read,
)
