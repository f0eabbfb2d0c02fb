"""Measure the house: `python .ci/house.py [CHECKOUT]` prints a line for each package.

A room is a folder or a file at the top of a package. An arrow goes from a room to another one that
it imports, not for type checkers alone. A circle is a group of rooms that import each other. The
arrows that go up are the fewest without which there is no circle, and the rooms stand on floors.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp

PRODUCT = (".py", ".js", ".html", ".jinja", ".yaml")


def measure(package: str) -> dict[str, int]:
    """Return what there is to say of a package that can be imported."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    rooms = graph.find_children(package) - {f"{package}.__main__"}
    for room in rooms:
        graph.squash_module(room)
    arrows = {
        room: graph.find_modules_directly_imported_by(room) & (rooms - {room}) for room in rooms
    }
    reached = {room: graph.find_upstream_modules(room) & rooms for room in rooms}
    circles = {frozenset(b for b in reached[a] if a in reached[b]) | {a} for a in rooms}
    upward = {(a, b) for a, b in graph.nominate_cycle_breakers(package) if {a, b} <= rooms}

    @cache
    def floor(room: str) -> int:
        below = [floor(other) for other in arrows[room] if (room, other) not in upward]
        return 1 + max(below, default=0)

    return {
        "rooms": len(rooms),
        "floors": max(map(floor, rooms)),
        "arrows": sum(map(len, arrows.values())),
        "upward": len(upward),
        "circles": sum(len(circle) > 1 for circle in circles),
    }


def lines(checkout: Path, package: str) -> int:
    """Return how many lines of the product are under version control, results aside."""
    command = ["git", "-C", str(checkout), "ls-files", package, f":(exclude){package}/results"]
    files = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    product = [checkout / name for name in files if name.endswith(PRODUCT)]
    return sum(file.read_bytes().count(b"\n") for file in product)


if __name__ == "__main__":
    checkout = Path(*sys.argv[1:2]).resolve()
    sys.path.insert(0, str(checkout))
    for package in ("avalanche_mas", "benchmarks"):
        found = {**measure(package), "lines": lines(checkout, package)}
        print(f"{package:<14}", *(f"{value:>6} {name}" for name, value in found.items()))
