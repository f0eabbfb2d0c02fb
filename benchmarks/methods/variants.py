"""MAS with one thing changed at a time: what each is worth, in the experiment `ablation`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.methods.mas import METHOD as MAS
from benchmarks.methods.method import Look, Method, plugin

_PLUGIN = "avalanche_mas:MASPlugin"


def _variant(name: str, title: str, place: int, look: Look, **changed: Any) -> Method:
    changes: dict[str, Any] = {"place": MAS.place + place, "look": look, **changed}
    return replace(MAS, name=f"mas-{name}", title=f"MAS {title}", variant_of="mas", **changes)


VARIANTS = (
    _variant(
        "batch",
        "with Ω per batch",
        1,
        Look("#0072b2", "s"),
        make_plugins=plugin(_PLUGIN, "lambda_reg", accumulation="sum", granularity="batch"),
    ),
    _variant(
        "blend",
        "with Ω blended",
        2,
        Look("#009e73", "D"),
        make_plugins=plugin(_PLUGIN, "lambda_reg", alpha=0.5),
    ),
    _variant(
        "normalised",
        "with Ω normalised per task",
        3,
        Look("#cc79a7", "^"),
        make_plugins=plugin(
            "benchmarks.methods._normalised_mas:NormalisedMASPlugin",
            "lambda_reg",
            accumulation="sum",
        ),
    ),
    _variant(
        "bfloat16",
        "with Ω in bfloat16",
        4,
        Look("#8c510a", "p"),
        make_plugins=plugin(
            "benchmarks.methods._bfloat16_mas:bfloat16_mas", "lambda_reg", accumulation="sum"
        ),
    ),
    _variant(
        "unclipped",
        "without clipping",
        5,
        Look("#e69f00", "v"),
        training={"gradient_clip": None},
    ),
    _variant(
        "explicit",
        "with an explicit penalty",
        6,
        Look("#56b4e9", "P"),
        training={"penalty": "explicit"},
    ),
    _variant(
        "explicit-unclipped",
        "with an explicit penalty and no clipping",
        7,
        Look("#6a3d9a", "X"),
        training={"penalty": "explicit", "gradient_clip": None},
    ),
)
"""Each in the same training as MAS, except for the fields of `training`."""
