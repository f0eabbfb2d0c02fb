"""Scenes: ten rooms in perspective, told apart by their furniture and layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import INK, WHITE, hsv, shade
from avalanche_mas.streams.drawn.room import Room


def _bathroom(room: Room) -> None:
    z, tile = room.depth, room.colour()
    for x in np.linspace(-1, 0.9, 9):
        for y in (0.0, 0.22, 0.44, 0.66):
            room.back(x, x + 0.19, y, y + 0.19, z, shade(tile, room.rng.uniform(0.85, 1.15)))
    room.back(0.1, 0.6, 0.85, 1.35, z, WHITE)
    room.back(0.14, 0.56, 0.89, 1.31, z, hsv(0.55, 0.15, 0.9))
    room.block((0.28, 0.42), (0, 0.5), (z - 0.3, z), shade(WHITE, 0.85))
    room.block((0.1, 0.6), (0.5, 0.64), (z - 0.45, z), WHITE)
    tub = shade(WHITE, room.rng.uniform(0.85, 1.0))
    room.block((-1, -0.35), (0, 0.42), (0.1, z), tub)
    room.flat(-0.92, -0.45, 0.2, z - 0.1, 0.42, hsv(0.53, 0.4, 0.8))
    room.block((0.72, 0.98), (0, 0.3), (0.5, 0.9), WHITE)
    room.block((0.72, 0.98), (0.3, 0.68), (0.86, 0.98), WHITE)


def _bedroom(room: Room) -> None:
    z, cover, wood = room.depth, room.colour(), room.wood()
    x = room.rng.uniform(-0.25, 0.05)
    room.window(room.rng.choice([-0.7, 0.75]), 1.0, 0.2, 0.28)
    room.block((x - 0.45, x + 0.55), (0, 0.72), (z - 0.1, z), wood)
    room.block((x + 0.62, x + 0.9), (0, 0.36), (z - 0.3, z), wood)
    room.back(x + 0.73, x + 0.79, 0.36, 0.58, z - 0.2, INK)
    room.back(x + 0.66, x + 0.86, 0.54, 0.74, z - 0.2, hsv(0.13, 0.4, 1.0))
    room.block((x - 0.45, x + 0.55), (0.0, 0.36), (z - 1.2, z - 0.1), cover)
    room.flat(x - 0.45, x + 0.55, z - 0.55, z - 0.1, 0.365, WHITE)
    for left in (x - 0.4, x + 0.08):
        room.block((left, left + 0.4), (0.36, 0.5), (z - 0.35, z - 0.12), shade(WHITE, 0.95))


def _classroom(room: Room) -> None:
    z, wood = room.depth, room.wood()
    board = room.rng.choice(["black", "green", "white"])
    slate = {"black": INK, "green": hsv(0.4, 0.5, 0.32), "white": WHITE}[str(board)]
    room.back(-0.75, 0.75, 0.62, 1.28, z, wood)
    room.back(-0.7, 0.7, 0.67, 1.23, z, slate)
    chalk = INK if board == "white" else WHITE
    for i in range(4):
        y = 1.12 - 0.12 * i
        room.back(-0.6, room.rng.uniform(-0.2, 0.5), y, y + 0.025, z, chalk)
    for row in (0.95, 0.45, -0.05):
        for x in (-0.82, -0.22, 0.38):
            room.table((x, x + 0.42), 0.36, (row, row + 0.26), wood)


def _corridor(room: Room) -> None:
    door = room.wood()
    room.back(-0.35, 0.35, 0, 1.1, room.depth, shade(door, 1.2))
    room.back(-0.02, 0.02, 0, 1.1, room.depth, shade(door, 0.6))
    for z in np.arange(room.depth - 0.75, -0.6, -0.95):
        for x in (-1, 1):
            room.side(x, z, z + 0.5, 0, 1.12, shade(door, 0.55))
            room.side(x, z + 0.05, z + 0.45, 0, 1.06, door)
        room.flat(-0.25, 0.25, z, z + 0.4, 1.5, (255, 255, 225))
    rug = room.colour()
    room.flat(-0.4, 0.4, -0.9, room.depth - 0.2, 0.0, rug)


def _dining_room(room: Room) -> None:
    z, wood, seat = room.depth, room.wood(), room.colour()
    room.picture(room.rng.uniform(-0.5, 0.5), 1.05, 0.3, 0.2)
    for x in (-0.4, 0.15):
        room.block((x, x + 0.25), (0.3, 0.75), (z - 0.25, z - 0.2), seat)
    for x in (-0.78, 0.55):
        room.block((x, x + 0.24), (0.05, 0.3), (0.45, 0.7), seat)
    room.table((-0.55, 0.55), 0.5, (0.3, 1.15), wood)
    for x in (-0.25, 0.05):
        room.flat(x, x + 0.18, 0.5, 0.65, 0.5, WHITE)
    for x in (-0.42, 0.14):
        for y in (0.3, 0.46, 0.6):
            room.block((x, x + 0.28), (y, y + 0.08), (0.05, 0.08), seat)
        for post in (x, x + 0.24):
            room.block((post, post + 0.04), (0, 0.68), (0.03, 0.08), shade(seat, 0.75))
    room.back(-0.01, 0.01, 1.15, 1.5, 0.65, INK)
    lamp = room.colour()
    room.face(
        [[-0.2, 0.98, 0.65], [0.2, 0.98, 0.65], [0.06, 1.18, 0.65], [-0.06, 1.18, 0.65]], lamp
    )


def _kitchen(room: Room) -> None:
    z, front = room.depth, room.colour()
    top, split = shade(room.wood(), 0.7), room.rng.uniform(-0.2, 0.1)
    room.window(split + 0.05, 1.0, 0.17, 0.22)
    for x in (-0.98, -0.66, 0.34, 0.66):
        room.block((x, x + 0.3), (0.95, 1.4), (z - 0.25, z), front)
    for x in np.arange(-1, 0.55, 0.31):
        room.block((x, x + 0.3), (0, 0.5), (z - 0.4, z), front)
        room.back(x + 0.05, x + 0.25, 0.42, 0.45, z - 0.4, INK)
    room.block((-1, 0.55), (0.5, 0.55), (z - 0.42, z), top)
    room.back(split - 0.3, split, 0.02, 0.5, z - 0.42, shade(WHITE, 0.8))
    room.back(split - 0.26, split - 0.04, 0.1, 0.36, z - 0.42, INK)
    for x in (split - 0.22, split - 0.08):
        room.flat(x - 0.05, x + 0.05, z - 0.35, z - 0.1, 0.551, INK)
    fridge = shade(WHITE, room.rng.uniform(0.75, 1.0))
    room.block((0.58, 0.98), (0, 1.18), (z - 0.5, z), fridge)
    room.back(0.58, 0.98, 0.75, 0.77, z - 0.5, INK)
    room.block((-1, -0.72), (0, 0.5), (-0.1, z - 0.42), front)
    room.block((-1, -0.7), (0.5, 0.55), (-0.1, z - 0.42), top)


def _laundromat(room: Room) -> None:
    z, shell = room.depth, shade(room.colour(), 1.4)
    for row in (0.55, 0.0):
        for x in np.arange(-0.98, 0.7, 0.33):
            room.back(x, x + 0.31, row, row + 0.52, z - 0.3, shell)
            room.back(x + 0.04, x + 0.27, row + 0.44, row + 0.48, z - 0.3, INK)
            room.round(x + 0.155, row + 0.23, z - 0.3, 0.125, shade(shell, 0.55))
            room.round(x + 0.155, row + 0.23, z - 0.3, 0.09, room.colour())
    bench = room.wood()
    room.block((-0.5, 0.5), (0.18, 0.25), (0.15, 0.45), bench)
    for x in (-0.45, 0.38):
        room.block((x, x + 0.07), (0, 0.18), (0.2, 0.4), shade(bench, 0.6))


def _library(room: Room) -> None:
    wood, z = shade(room.wood(), 0.75), room.depth
    room.window(0, 0.95, 0.3, 0.35)
    for x, inner in ((-1.0, -0.62), (0.62, 1.0)):
        room.block((x, inner), (0, 1.42), (-0.5, z), wood)
        face = inner if x < 0 else x
        for y in (0.08, 0.42, 0.76, 1.1):
            for near in np.arange(-0.5, z - 0.05, 0.12):
                height = y + room.rng.uniform(0.17, 0.27)
                room.side(face, near + 0.01, near + 0.11, y, height, room.colour())
    room.table((-0.35, 0.35), 0.4, (z - 0.6, z - 0.2), wood)


def _living_room(room: Room) -> None:
    z, fabric = room.depth, room.colour()
    room.picture(room.rng.uniform(-0.3, 0.3), 1.12, 0.34, 0.2)
    room.flat(-0.65, 0.65, 0.0, z - 0.35, 0.0, room.colour())
    room.block((-0.7, 0.7), (0.05, 0.7), (z - 0.2, z - 0.05), fabric)
    room.block((-0.7, 0.7), (0.05, 0.36), (z - 0.5, z - 0.2), fabric)
    room.back(-0.01, 0.01, 0.05, 0.36, z - 0.5, shade(fabric, 0.6))
    for x in (-0.84, 0.7):
        room.block((x, x + 0.16), (0.0, 0.5), (z - 0.52, z - 0.05), shade(fabric, 0.9))
    for x in (-0.5, 0.25):
        room.block((x, x + 0.24), (0.38, 0.58), (z - 0.28, z - 0.2), room.colour())
    room.table((-0.35, 0.35), 0.24, (0.2, 0.6), room.wood())
    lamp = room.rng.choice([-0.93, 0.93])
    room.back(lamp - 0.015, lamp + 0.015, 0, 1.0, z - 0.1, INK)
    room.back(lamp - 0.12, lamp + 0.12, 0.92, 1.15, z - 0.1, hsv(0.13, 0.35, 1.0))


def _staircase(room: Room) -> None:
    step, steps = room.wood(), 9
    run, rise = room.depth / steps, 1.25 / steps
    left, right = -0.62, 0.55
    for i in reversed(range(steps)):
        z = i * run
        room.back(left, right, 0, (i + 1) * rise, z, shade(step, 0.62))
        room.flat(left, right, z, z + run, (i + 1) * rise, shade(step, 1.15))
        for x in (left, right):
            room.back(x - 0.02, x + 0.02, (i + 1) * rise, (i + 1) * rise + 0.4, z, shade(step, 0.4))
    for x in (left, right):
        ends = [
            [x, 0.5, 0],
            [x, 0.56, 0],
            [x, 1.25 + 0.5, room.depth],
            [x, 1.25 + 0.44, room.depth],
        ]
        for shift in (-0.03, 0.03):
            room.face(np.add(ends, [shift, 0, 0]), shade(step, 0.45))


FURNISH: dict[str, Callable[[Room], None]] = {
    "bathroom": _bathroom,
    "bedroom": _bedroom,
    "classroom": _classroom,
    "corridor": _corridor,
    "dining room": _dining_room,
    "kitchen": _kitchen,
    "laundromat": _laundromat,
    "library": _library,
    "living room": _living_room,
    "staircase": _staircase,
}
CLASSES = tuple(FURNISH)


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one room of class `label` from a random viewpoint."""
    name = CLASSES[label]
    mirror = float(rng.choice([-1, 1]))
    view = canvas.at(
        (rng.uniform(-0.2, 0.2), rng.uniform(-0.35, -0.1)),
        rng.uniform(1.1, 1.6),
        rng.normal(0, 0.06),
        stretch=(mirror, 1),
    )
    depth = rng.uniform(1.35, 1.75) * (2.4 if name == "corridor" else 1.0)
    room = Room(view, rng, depth, (rng.uniform(-0.35, 0.35), rng.uniform(0.8, 1.0)))
    room.shell()
    FURNISH[name](room)
