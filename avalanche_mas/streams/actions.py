"""PASCAL VOC 2012, action classification: one sample is one person."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from avalanche_mas.streams.files import pairs, require
from avalanche_mas.streams.pictures import Box, FilePicture, Picture
from avalanche_mas.streams.task import Reading, Sizes, Task, make_reading

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
"""A person's box grows by this part of its size on each side, for the horse or the camera."""


def read(root: Path) -> Reading:
    """Read ``VOCdevkit/VOC2012/{ImageSets/Action, Annotations, JPEGImages}``.

    A person with several actions at once has no single label and is left out.
    """
    folder = root / "VOCdevkit" / "VOC2012"

    def listed(part: str) -> list[tuple[Picture, int]]:
        samples: list[tuple[Picture, int]] = []
        for image, index in pairs(folder / "ImageSets" / "Action" / f"{part}.txt"):
            person = _person(folder / "Annotations" / f"{image}.xml", index)
            actions = _actions(person, image, index)
            if len(actions) == 1:
                path = folder / "JPEGImages" / f"{image}.jpg"
                picture = FilePicture(f"{image}/{index}", path, _box(person, image))
                samples.append((picture, NAMES.index(actions[0])))
        return samples

    return make_reading(NAMES, listed("train"), listed("val"))


def _person(path: Path, index: str) -> ET.Element:
    """The object with the given number, counted from 1, of an annotation file."""
    try:
        objects = ET.parse(require(path)).getroot().findall("object")
    except ET.ParseError as error:
        raise ValueError(f"{path} is not a readable annotation: {error}") from error
    if not index.isdigit() or not 1 <= int(index) <= len(objects):
        raise ValueError(f"{path}: there is no object {index}, only 1..{len(objects)}")
    return objects[int(index) - 1]


def _actions(person: ET.Element, image: str, index: str) -> list[str]:
    flags = person.find("actions")
    if flags is None:
        raise ValueError(f"{image}.xml, object {index}: it has no actions")
    actions = [flag.tag for flag in flags if float(flag.text or 0) > 0]
    for action in actions:
        if action not in NAMES:
            raise ValueError(f"{image}.xml, object {index}: {action!r} is not one of {NAMES}")
    return actions


def _box(person: ET.Element, image: str) -> Box:
    """The person's box with its margin."""
    left, top, right, bottom = (
        float(person.findtext(f"bndbox/{side}", "nan")) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (left < right and top < bottom):
        raise ValueError(f"{image}.xml: a person's box is {left, top, right, bottom}")
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    return round(left - across), round(top - down), round(right + across), round(bottom + down)


ACTIONS = Task(
    name="actions",
    title="PASCAL VOC 2012 Actions",
    num_classes=11,
    sizes=Sizes(3102, 1554, 1554),
    address="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    checksums={"VOCtrainval_11-May-2012.tar": "6cd6e144f989b92b3379bac3b3de84fd"},
    licence="research; the photographs keep their owners' rights (Flickr)",
    split="persons with exactly one action; those of the official train list are the training set, "
    "those of the official val list halved into validation and test",
    folder="VOCdevkit",
    read=read,
)
