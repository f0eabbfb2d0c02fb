"""One network: Ω of both forms against the truth, in float32 and float64.

`python -m benchmarks.commands.architectures.row FAMILY NAME MEGABYTES` prints what it finds as JSON.
"""

from __future__ import annotations

import gc
import json
import math
import resource
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from avalanche_mas.importance import global_importance, local_importance, stretches, without_rule
from avalanche_mas.peak import peak_bytes
from benchmarks.commands.architectures.catalogue import FAMILIES, Case
from benchmarks.commands.architectures.loops import global_loop, local_loop, samples_of
from benchmarks.commands.refusals import is_refusal
from benchmarks.report.pages.architectures import TOLERANCES

Form = Literal["global", "local"]

ESTIMATES: dict[Form, Callable[..., Mapping[str, Tensor]]] = {
    "global": global_importance,
    "local": local_importance,
}
CHEAP = 8e6
"""Networks up to so many parameters are measured in float64 too, others where float32 is in doubt."""

FLOORS = {torch.float32: 1e-3, torch.float64: 1e-6}


def main(family: str, name: str, megabytes: int) -> None:
    """Measure a network within so much memory, and print what is found as JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 2**20, resource.RLIM_INFINITY))
    started = time.monotonic()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    found = measure(FAMILIES[family].build(name))
    seconds = round(time.monotonic() - started, 1)
    print(
        json.dumps(
            {**found, "seconds": seconds, "peak_mb": round(peak_bytes(torch.device("cpu")) / 1e6)}
        )
    )


def measure(case: Case) -> dict[str, Any]:
    """Return the outcome for both forms, and what was measured."""
    case.model.eval()
    parameters = sum(p.numel() for p in case.model.parameters() if p.requires_grad)
    found: dict[str, Any] = {
        "parameters": parameters,
        "samples": len(pytree.tree_leaves(case.batch)[0]),
        "input": case.shape,
    }
    for form in ESTIMATES:
        found[form] = _attempt(case, form)
        gc.collect()
    doubtful = [
        form for form in ESTIMATES if found[form].get("float32", 0.0) > TOLERANCES["float32"]
    ]
    known = [form for form in ESTIMATES if "float32" in found[form]]
    if again := known if parameters <= CHEAP else doubtful:
        _add_double(found, case, again)
    return found


def _add_double(found: dict[str, Any], case: Case, forms: list[Form]) -> None:
    """Add the errors of forms in float64; the network itself is changed."""
    case = case.double()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for form in forms:
            found[form] = _doubled(case, form, found[form])
    finally:
        torch.set_default_dtype(before)


def _doubled(case: Case, form: Form, found: dict[str, Any]) -> dict[str, Any]:
    """Return what is found of a form, with its error in float64."""
    try:
        return {**found, "float64": _error(case, form, found["truth"])}
    except Exception as raised:
        return {"crashed": f"in float64: {type(raised).__name__}: {raised}".splitlines()[0]}


def _attempt(case: Case, form: Form) -> dict[str, Any]:
    """Return the error of a form in float32, and the share of parameters without a rule; or why not."""
    try:
        truth = _truth(case, form)
        error = _error(case, form, truth)
        without = without_rule(case.model, case.batch, form=form, forward=case.forward)
    except Exception as raised:
        kind = "refused" if is_refusal(raised) else "crashed"
        return {kind: f"{type(raised).__name__}: {raised}".splitlines()[0]}
    sizes = {n: p.numel() for n, p in case.model.named_parameters() if p.requires_grad}
    share = sum(sizes[name] for name in without) / sum(sizes.values())
    return {"truth": truth, "float32": error, "without_rule": share}


def _truth(case: Case, form: Form) -> str:
    """Return what a form is compared with: gates written by hand are more than the loop knows."""
    if form == "global":
        return "loop"
    found = stretches(case.model, case.batch, forward=case.forward)
    return "one by one" if any("gated" in stretch.end for stretch in found) else "loop"


def _error(case: Case, form: Form, truth: str) -> float:
    """Return the largest |Ω − truth| of a parameter over its largest truth; that of the worst one.

    A parameter whose truth is less than `FLOORS` of the network's largest is held against that: it may
    be a rounding error, as for the bias of an attention's keys, on which the output does not depend.
    """
    model, batch, forward = case.model, case.batch, case.forward
    if truth == "loop":
        loop = global_loop if form == "global" else local_loop
        expected: Mapping[str, Tensor] = loop(model, batch, forward)
    else:
        expected = ESTIMATES[form](model, samples_of(batch), forward=forward)
    omega = ESTIMATES[form](model, [batch], forward=forward)
    largest = torch.stack([value.max() for value in expected.values()])
    off = torch.stack([(omega[name] - value).abs().max() for name, value in expected.items()])
    error = float((off / largest.clamp(min=largest.max() * FLOORS[largest.dtype])).max())
    if not math.isfinite(error):
        raise ArithmeticError(f"error {error}; the largest true importance is {largest.max()}")
    return error


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
