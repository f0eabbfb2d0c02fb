"""Actions: ten things a stick figure does, told apart by pose and objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import (
    INK,
    WHITE,
    Colour,
    any_colour,
    clear,
    contrasting,
    hsv,
    mottled,
    shade,
)
from avalanche_mas.streams.drawn.shapes import Points, arc, rectangle, smooth


@dataclass(frozen=True)
class Pose:
    """The directions of the limbs in degrees: 0 is down, 90 forwards (right), 180 up.

    Attributes:
        hip: position of the hip; the ground is at y = 0.85.
        torso: from hip to neck.
        thigh: far and near.
        shin: far and near.
        upper: upper arms, far and near.
        fore: forearms, far and near.
        size: scale of the whole figure.
    """

    hip: tuple[float, float]
    torso: float
    thigh: tuple[float, float]
    shin: tuple[float, float]
    upper: tuple[float, float]
    fore: tuple[float, float]
    size: float = 1.0


@dataclass(frozen=True)
class Stage:
    """A figure, with what is needed to draw objects around it.

    Attributes:
        view: the figure's coordinates.
        rng: the source of the objects' variations.
        joints: positions of hip, neck and head [2], and of knees, feet, elbows and hands [2, 2],
            the far one first.
    """

    view: Canvas
    rng: np.random.Generator
    joints: Mapping[str, Points]


POSES = {
    "jumping": Pose((0, -0.02), 180, (-40, 45), (-75, 0), (150, -155), (165, -165)),
    "phoning": Pose((0, 0.1), 178, (-7, 7), (-7, 7), (-8, 35), (-4, 172)),
    "playing guitar": Pose((0, 0.1), 176, (-12, 12), (-12, 12), (40, -25), (115, 80)),
    "reading": Pose((0, 0.1), 172, (-6, 6), (-6, 6), (25, 20), (112, 105)),
    "riding a bike": Pose((-0.18, -0.05), 142, (25, 70), (-10, -20), (50, 55), (70, 75)),
    "riding a horse": Pose((-0.08, -0.22), 178, (50, 45), (-15, -10), (30, 35), (85, 80), 0.86),
    "running": Pose((-0.05, 0.08), 164, (-35, 62), (-85, -8), (-55, 45), (20, 125)),
    "taking a photo": Pose((0, 0.1), 175, (-10, 10), (-10, 10), (55, 50), (150, 145)),
    "using a computer": Pose((-0.25, 0.2), 176, (85, 88), (2, 6), (25, 20), (88, 84)),
    "walking": Pose((0, 0.1), 177, (-20, 22), (-30, 14), (22, -24), (38, -8)),
}
CLASSES = tuple(POSES)
GROUND = 0.85


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one figure doing what class `label` says, facing either way."""
    ground = _place(canvas, rng)
    view = canvas.at(
        rng.uniform(-0.12, 0.12, 2),
        rng.uniform(0.74, 1.0),
        rng.normal(0, 0.05),
        stretch=(float(rng.choice([-1, 1])), 1),
    )
    name = CLASSES[label]
    pose = POSES[name]
    view, joints = view.at((0, GROUND * (1 - pose.size)), pose.size), _joints(rng, pose)
    stage = Stage(view, rng, joints)
    if name in BEHIND:
        BEHIND[name](stage)
    _figure(stage, ground)
    if name in BEFORE:
        BEFORE[name](stage)


def _place(canvas: Canvas, rng: np.random.Generator) -> Colour:
    wall = any_colour(rng, (0.03, 0.35), (0.55, 0.95))
    canvas.texture(mottled(rng, wall, 14.0))
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(-1, 1, 2)
        thing = clear(any_colour(rng, (0.05, 0.5), (0.4, 0.95)), 0.6)
        canvas.fill(rectangle(x - 0.2, y - 0.3, x + 0.2, y + 0.3), thing)
    canvas.box(-1, rng.uniform(0.55, 0.8), 1, 1, any_colour(rng, (0.1, 0.5), (0.3, 0.8)))
    canvas.blur(0.03)
    return wall


def _joints(rng: np.random.Generator, pose: Pose) -> Mapping[str, Points]:
    """Return the positions of the joints; pairs are [far, near]."""

    def reach(start: Points, degrees: float, length: float) -> Points:
        angle = math.radians(degrees + rng.normal(0, 7))
        return start + length * np.array([math.sin(angle), math.cos(angle)])

    hip = np.array(pose.hip)
    neck = reach(hip, pose.torso, 0.5)
    knees = np.stack([reach(hip, angle, 0.37) for angle in pose.thigh])
    feet = np.stack([reach(k, a, 0.37) for k, a in zip(knees, pose.shin, strict=True)])
    elbows = np.stack([reach(neck, angle, 0.27) for angle in pose.upper])
    hands = np.stack([reach(e, a, 0.25) for e, a in zip(elbows, pose.fore, strict=True)])
    head = neck + (neck - hip) * 0.42
    return {"hip": hip, "neck": neck, "head": head, "knees": knees, "feet": feet,
            "elbows": elbows, "hands": hands}  # fmt: skip


def _beside(points: Points, x: float, y: float) -> Points:
    """Return the points moved by (x, y)."""
    moved: Points = points + np.array([x, y])
    return moved


def _figure(stage: Stage, wall: Colour) -> None:
    view, rng, joints = stage.view, stage.rng, stage.joints
    skin = hsv(rng.normal(0.07, 0.01), rng.uniform(0.3, 0.65), rng.uniform(0.35, 0.95))
    shirt, trousers = _clothes(rng, wall), _clothes(rng, wall)
    neck, hip = joints["neck"], joints["hip"]
    for near, tone in ((0, 0.7), (1, 1.0)):
        if near:
            view.limb(_beside(neck, 0, 0.04), hip, 0.24, shirt)
        view.limb(hip, joints["knees"][near], 0.16, shade(trousers, tone))
        view.limb(joints["knees"][near], joints["feet"][near], 0.13, shade(trousers, tone))
        foot = joints["feet"][near]
        view.limb(foot, _beside(foot, 0.1, 0.02), 0.1, INK)
        if near:
            view.limb(neck, neck + 0.6 * (joints["head"] - neck), 0.1, skin)
            view.disc(joints["head"][0], joints["head"][1], 0.15, skin)
            _hair(view, rng, joints["head"])
        view.limb(_beside(neck, 0, 0.05), joints["elbows"][near], 0.1, shade(shirt, 0.82 * tone))
        view.limb(joints["elbows"][near], joints["hands"][near], 0.085, shade(skin, tone))


def _clothes(rng: np.random.Generator, wall: Colour) -> Colour:
    return contrasting(rng, wall, 0.15, (0.1, 0.95), (0.15, 0.95))


def _hair(view: Canvas, rng: np.random.Generator, head: Points) -> None:
    colour = hsv(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.8))
    view.fill(arc(head[0], head[1] - 0.02, 0.165, 0.16, 2.3, 5.6), colour)


def _phone(stage: Stage) -> None:
    x, y = stage.joints["hands"][1]
    stage.view.at((x, y), angle=0.2).box(-0.045, -0.11, 0.045, 0.11, INK)


def _guitar(stage: Stage) -> None:
    wood = hsv(
        stage.rng.uniform(0.0, 0.12), stage.rng.uniform(0.5, 0.95), stage.rng.uniform(0.4, 0.95)
    )
    x, y = (stage.joints["hip"] + stage.joints["neck"]) / 2
    guitar = stage.view.at((x, y + 0.1), 1.0, -0.45 + stage.rng.normal(0, 0.1))
    guitar.limb([0, 0], [0.72, 0], 0.07, shade(wood, 0.4))
    guitar.disc(0.08, 0, 0.17, wood, edge=shade(wood, 0.5))
    guitar.disc(-0.14, 0, 0.22, wood, edge=shade(wood, 0.5))
    guitar.disc(0.02, 0, 0.07, INK)
    hand = stage.joints["hands"][1]
    stage.view.disc(hand[0], hand[1], 0.06, hsv(0.07, 0.45, 0.8))


def _book(stage: Stage) -> None:
    cover = any_colour(stage.rng, (0.5, 0.95), (0.3, 0.9))
    x, y = stage.joints["hands"].mean(axis=0)
    book = stage.view.at((x + 0.07, y - 0.06), stage.rng.uniform(0.9, 1.15), 0.35)
    for side in (-1, 1):
        page = np.array([[0, 0.12], [0.22, 0.06], [0.22, -0.22], [0, -0.16]]) * [side, 1]
        book.fill(_beside(page, 0, 0.035), cover)
        book.fill(page, WHITE, shade(cover, 0.7))


def _camera(stage: Stage) -> None:
    x, y = stage.joints["hands"].mean(axis=0)
    camera = stage.view.at((x + 0.03, y), stage.rng.uniform(1.0, 1.2))
    camera.box(-0.11, -0.1, 0.09, 0.1, INK)
    camera.box(0.09, -0.065, 0.2, 0.065, hsv(0.6, 0.1, 0.35))
    camera.box(-0.06, -0.15, 0.04, -0.1, INK)


def _bike(stage: Stage) -> None:
    frame = any_colour(stage.rng, (0.5, 1.0), (0.3, 0.9))
    rear, front = np.array([-0.48, 0.56]), np.array([0.5, 0.56])
    saddle, crank, bar = (
        _beside(stage.joints["hip"], 0, 0.1),
        np.array([-0.05, 0.56]),
        np.array([0.36, 0.1]),
    )
    for wheel in (rear, front):
        stage.view.line(arc(wheel[0], wheel[1], 0.29, 0.29, 0, 6.29, 28), 0.055, INK)
        for spoke in (0, 1.57):
            end = 0.28 * np.array([math.cos(spoke), math.sin(spoke)])
            stage.view.line([wheel - end, wheel + end], 0.012, shade(WHITE, 0.7))
    for start, end in ((rear, saddle), (rear, crank), (saddle, crank), (crank, bar), (saddle, bar)):
        stage.view.limb(start, end, 0.05, frame)
    stage.view.limb(_beside(bar, -0.03, -0.08), front, 0.05, frame)
    stage.view.limb(_beside(bar, -0.03, -0.08), _beside(bar, 0.09, -0.1), 0.05, INK)
    stage.view.limb(_beside(saddle, -0.1, 0), _beside(saddle, 0.08, 0), 0.06, INK)


def _horse(stage: Stage) -> None:
    coat = hsv(
        stage.rng.normal(0.07, 0.02), stage.rng.uniform(0.1, 0.75), stage.rng.uniform(0.2, 0.9)
    )
    stride = stage.rng.normal(0, 0.07, 4)
    for x, step, tone in zip((-0.42, 0.28, -0.34, 0.36), stride, (0.7, 0.7, 1, 1), strict=True):
        knee = np.array([x + step, 0.55])
        stage.view.limb([x, 0.25], knee, 0.11, shade(coat, tone))
        stage.view.limb(knee, [x + step * 0.5 - 0.03, 0.85], 0.08, shade(coat, tone))
    stage.view.line(
        smooth([[-0.5, 0.08], [-0.68, 0.1], [-0.7, 0.55]], closed=False), 0.1, shade(coat, 0.4)
    )
    barrel = [[-0.6, 0.0], [-0.5, 0.4], [0.4, 0.4], [0.52, 0.05], [0.2, -0.02], [-0.2, 0.0]]
    stage.view.fill(smooth(barrel), coat)
    stage.view.fill(smooth([[0.2, 0.15], [0.45, 0.25], [0.7, -0.3], [0.5, -0.42]], times=2), coat)
    stage.view.limb([0.6, -0.34], [0.86, -0.14], 0.17, coat)
    stage.view.fill([[0.5, -0.38], [0.56, -0.54], [0.62, -0.36]], coat)
    stage.view.line([[0.48, -0.42], [0.24, 0.02]], 0.09, shade(coat, 0.4))
    stage.view.disc(0.66, -0.34, 0.03, INK)


def _desk(stage: Stage) -> None:
    wood = hsv(
        stage.rng.normal(0.08, 0.03), stage.rng.uniform(0.2, 0.7), stage.rng.uniform(0.3, 0.9)
    )
    chair = any_colour(stage.rng, (0.2, 0.8), (0.2, 0.7))
    stage.view.limb([-0.45, 0.32], [-0.1, 0.32], 0.09, chair)
    stage.view.limb([-0.48, 0.3], [-0.52, -0.2], 0.08, chair)
    for x in (-0.42, -0.14):
        stage.view.limb([x, 0.34], [x, GROUND], 0.05, chair)
    stage.view.box(0.06, 0.08, 0.85, 0.15, wood)
    stage.view.box(0.72, 0.15, 0.8, GROUND, shade(wood, 0.7))
    screen = stage.view.at((0.58, -0.13), angle=stage.rng.normal(0.0, 0.05), shear=-0.12)
    screen.box(-0.05, 0.0, 0.05, 0.2, INK)
    screen.box(-0.08, -0.24, 0.09, 0.16, INK)
    screen.box(-0.07, -0.2, -0.03, 0.12, hsv(stage.rng.uniform(0.5, 0.65), 0.4, 1.0))


def _shadow(stage: Stage) -> None:
    stage.view.disc(0, GROUND + 0.03, 0.35, clear(INK, 0.5), 0.15)


BEHIND: dict[str, Callable[[Stage], None]] = {
    "jumping": _shadow,
    "riding a bike": _bike,
    "riding a horse": _horse,
    "using a computer": _desk,
}
BEFORE: dict[str, Callable[[Stage], None]] = {
    "phoning": _phone,
    "playing guitar": _guitar,
    "reading": _book,
    "taking a photo": _camera,
}
