"""The methods compared: one small file each, with its source."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.methods import (
    ebll,
    ewc,
    fine_tuning,
    imm,
    joint,
    local_mas,
    lwf,
    mas,
    si,
    variants,
)
from benchmarks.methods.method import Look, Method
from benchmarks.record.imported import imported, is_path

__all__ = ["COMPARED", "METHODS", "Look", "Method", "method_named"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        fine_tuning.METHOD,
        joint.METHOD,
        mas.METHOD,
        local_mas.METHOD,
        ewc.SHIPPED,
        ewc.REPAIRED,
        si.SHIPPED,
        si.REPAIRED,
        lwf.SHIPPED,
        lwf.REPAIRED,
        ebll.METHOD,
        imm.MEAN,
        imm.MODE,
        *variants.VARIANTS,
    )
}
"""The methods by name."""

COMPARED = tuple(name for name, method in METHODS.items() if method.variant_of is None)
"""The methods that are compared unless others are named."""


def method_named(name: str) -> Method:
    """Return the method of this name, or the one at an import path, whose name is then the path.

    Raises:
        ValueError: The path leads to something else, or to joint training, which reports know as the
            upper bound only under its own name.
    """
    if name in METHODS or not is_path(name):
        return METHODS[name]
    found = imported("--methods", name)
    if not isinstance(found, Method):
        raise ValueError(
            f"--methods {name}: it is a {type(found).__name__}, not a benchmarks.methods.Method; "
            "docs/your-own.md shows one"
        )
    if found.title in {*METHODS, *(method.title for method in METHODS.values())}:
        raise ValueError(
            f"--methods {name}: its title, {found.title!r}, is the name of another method; choose another"
        )
    if found.joint:
        raise ValueError(
            f"--methods {name}: it trains on all tasks at once (joint=True), which only `joint` may, "
            "the upper bound; leave joint out"
        )
    return replace(found, name=name)
