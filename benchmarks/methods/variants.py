"""MAS with one thing changed at a time: what each is worth, in the experiment `ablation`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.methods.mas import METHOD as MAS
from benchmarks.methods.method import Method, plugin

_PLUGIN = "avalanche_mas:MASPlugin"


def _variant(name: str, title: str, place: int, **changed: Any) -> Method:
    changes: dict[str, Any] = {"place": MAS.place + place, "look": None, "start": None, **changed}
    return replace(MAS, name=f"mas-{name}", title=f"MAS, {title}", variant_of="mas", **changes)


VARIANTS = (
    _variant(
        "batch",
        "Ω per batch",
        1,
        make_plugins=plugin(_PLUGIN, "lambda_reg", accumulation="sum", granularity="batch"),
    ),
    _variant("blend", "Ω blended", 2, make_plugins=plugin(_PLUGIN, "lambda_reg", alpha=0.5)),
    _variant(
        "normalised",
        "Ω of each task normalised",
        3,
        make_plugins=plugin("benchmarks.methods._normalised_mas:NormalisedMASPlugin", "lambda_reg"),
    ),
    _variant("unclipped", "gradient not clipped", 4, training={"gradient_clip": None}),
    _variant("explicit", "explicit penalty", 5, training={"penalty": "explicit"}),
    _variant(
        "explicit-unclipped",
        "explicit penalty, gradient not clipped",
        6,
        training={"penalty": "explicit", "gradient_clip": None},
    ),
)
"""Each in the same training as MAS, except for the fields of `training`."""
