"""Incremental Moment Matching: this project's plugin, in both of the paper's variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.methods.method import Look, Method, setting

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

_SOURCE = "Lee et al., NeurIPS 2017, arXiv 1703.08475: IMMPlugin, {}, with L2-transfer."
_STRENGTH = "λ of the L2-transfer, lambda_reg"
_REMARK = (
    "IMM is evaluated with its merged weights, also when a task was just learned: what merging costs "
    "the new task counts in its accuracy when learned, not as forgetting."
)
_CENTRE = 0.01  # De Lange et al. (TPAMI 2021), who leave IMM out of their framework, keep it there
_START = 100.0  # above every strength that tuning has chosen (results/tuning)


def _mean(strength: float, *, damped: bool) -> list[SupervisedPlugin]:
    from benchmarks.methods._imm import IMMPlugin

    return [IMMPlugin("mean", lambda_reg=strength, damped=damped)]


def _mode(strength: float, *, damped: bool) -> list[SupervisedPlugin]:
    from benchmarks.methods._imm import IMMPlugin

    return [IMMPlugin("mode", lambda_reg=strength, damped=damped)]


MEAN = Method(
    name="imm-mean",
    title="IMM, mean",
    source=_SOURCE.format("the mean of the tasks' weights"),
    make_plugins=_mean,
    strength=_STRENGTH,
    centre=_CENTRE,
    set_strength=setting("lambda_reg"),
    start=_START,
    damped=True,
    place=40,
    look=Look("#6a3d9a", "<"),
    remark=_REMARK,
)

MODE = Method(
    name="imm-mode",
    title="IMM, mode",
    source=_SOURCE.format("the tasks' weights weighted by their Fisher information"),
    make_plugins=_mode,
    strength=_STRENGTH,
    centre=_CENTRE,
    set_strength=setting("lambda_reg"),
    start=_START,
    damped=True,
    place=41,
    look=Look("#b8a500", ">"),
    remark=_REMARK,
)
