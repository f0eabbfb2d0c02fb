"""Incremental Moment Matching: this project's plugin, in both of the paper's variants."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.methods.method import DAMPED, Look, Method, plugin, setter

_SOURCE = "Lee et al., NeurIPS 2017, arXiv 1703.08475: IMMPlugin, {}, with L2-transfer."
_PLUGIN = "benchmarks.methods._imm:IMMPlugin"

MEAN = Method(
    name="imm-mean",
    title="IMM, mean",
    source=_SOURCE.format("the mean of the tasks' weights"),
    make_plugins=plugin(_PLUGIN, "lambda_reg", merge="mean"),
    penalties=DAMPED,
    strength="λ of the L2-transfer, lambda_reg",
    centre=0.01,  # De Lange et al. (TPAMI 2021), who leave IMM out of their framework, keep it there
    set_strength=setter("lambda_reg"),
    start=100.0,  # above every strength that tuning has chosen (results/tuning)
    place=40,
    look=Look("#6a3d9a", "<"),
    remark=(
        "IMM is evaluated with its merged weights, even right after a task is learned: what merging "
        "costs the new task counts in its accuracy when learned, not as forgetting."
    ),
)

MODE = replace(
    MEAN,
    name="imm-mode",
    title="IMM, mode",
    source=_SOURCE.format("the tasks' weights weighted by their Fisher information"),
    make_plugins=plugin(_PLUGIN, "lambda_reg", merge="mode"),
    place=41,
    look=Look("#b8a500", ">"),
)
