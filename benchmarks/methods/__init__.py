"""The methods compared: one small file each, with its source."""

from __future__ import annotations

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

__all__ = ["METHODS", "Look", "Method"]

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
