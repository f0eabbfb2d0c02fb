"""The command `setups`: training set-ups in Avalanche, each beside a loop written by hand."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avalanche_mas.plugins import FORMS
from benchmarks.commands.parser import Parser
from benchmarks.commands.refusals import is_refusal
from benchmarks.commands.setups.catalogue import CASES, Case
from benchmarks.commands.setups.hand import Batch, Loop, Mas, batches, copies, joined
from benchmarks.commands.setups.with_avalanche import train
from benchmarks.record.files import RESULTS, or_null, write_json
from benchmarks.record.folders import versions
from benchmarks.report.pages import setups as page

RESULT = RESULTS / "setups.json"
TASKS, SAMPLES, CLASSES, BATCH, EPOCHS, PIECE = 3, 16, 3, 4, 3, 8


def main(arguments: Sequence[str]) -> int:
    """Compare every set-up, record the differences, and return 1 if one is not as expected."""
    parser = Parser(
        prog="python -m benchmarks setups",
        description="Train in every set-up with Avalanche and with a loop written by hand, and "
        "record by how much the results differ.",
    )
    parser.add_argument("--output", type=Path, default=RESULT, help="the file to write")
    output = parser.parse_args(arguments).output
    rows = []
    for case in CASES:
        print(f"  {case.name}", file=sys.stderr, flush=True)
        rows += [compared(case, form) for form in FORMS]
    write_json(output, {"rows": rows, "versions": versions(torch.get_num_threads())})
    wrong = [row for row in rows if page.is_wrong(row)]
    print(f"{output}: {len(rows) - len(wrong)} as expected", *wrong, sep="\n")
    return int(bool(wrong))


def compared(case: Case, form: str) -> dict[str, Any]:
    """Return how far a set-up is from the loop by hand, with the penalty in one of its forms.

    Returns:
        The largest relative difference over the parameters, over Ω, and over θ*, and over the parameters
        from the loop without the penalty, `None` for NaN; or what the plugin answered where it refused
        the set-up.
    """
    every = list(orders(case, form))
    about = {
        "setup": case.name,
        "form": form,
        "orders": len(every),
        "tolerance": case.tolerance,
        "refusal_expected": form in case.refused,
    }
    found = []
    with _by_default(case.dtype):
        for parts in every:
            try:
                ours = in_avalanche(case, parts)
            except (ValueError, RuntimeError) as error:
                if not is_refusal(error):
                    raise
                return {**about, "refused": str(error)}
            hand = by_hand(case, parts)
            found.append([difference(*pair) for pair in zip(ours, hand, strict=True)])
        without = by_hand(case, without_penalty(parts))
    largest = map(or_null, torch.tensor(found, dtype=torch.float64).amax(0).tolist())
    effect = or_null(difference(without.parameters, hand.parameters))
    return {**about, **dict(zip(Learned._fields, largest, strict=True)), "penalty": effect}


class Learned(NamedTuple):
    """The parameters at the end, and Ω and θ* of each MAS."""

    parameters: Mapping[str, Tensor]
    importance: Mapping[str, Tensor]
    anchors: Mapping[str, Tensor]


def in_avalanche(case: Case, parts: Sequence[Any]) -> Learned:
    """Train in Avalanche."""
    loop = _loop(case, parts)
    plugins = train(case, loop, _data(), PIECE)
    omega, anchors = [each.importance for each in plugins], [each.anchors for each in plugins]
    return Learned(copies(loop.model), _in_one(omega), _in_one(anchors))


def by_hand(case: Case, parts: Sequence[Any]) -> Learned:
    """Train by hand."""
    loop, data = _loop(case, parts), _data()
    pieces = [list(batches(task, PIECE)) for task in data]
    loop.train(
        {
            "tasks": [[task] for task in data],
            "joint": [[joined(data[:2])], *([task] for task in data[2:])],
            "online": pieces,
            "pieces": [[piece] for task in pieces for piece in task],
        }[case.stream]
    )
    held = [part for part in loop.parts if isinstance(part, Mas)]
    omega, anchors = [each.omega for each in held], [each.anchors for each in held]
    return Learned(copies(loop.model), _in_one(omega), _in_one(anchors))


def orders(case: Case, form: str) -> Iterator[tuple[Any, ...]]:
    """Yield the parts in every order, the penalty in this form."""
    first = next(part for part in case.parts if isinstance(part, Mas))
    parts = tuple(replace(first, form=form) if part is first else part for part in case.parts)
    yield from permutations(parts)


def difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest difference of a tensor's entries, relative to its largest entry."""
    if found.keys() != expected.keys():
        raise AssertionError(f"found {sorted(found)}, expected {sorted(expected)}")
    each = [(found[n] - e).abs().max() / e.abs().max() for n, e in expected.items()]
    return torch.stack(each).max().item()  # NaN if one is


def _in_one(each: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    return {f"{k}, {name}": one[name] for k, one in enumerate(each) for name in one}


def _loop(case: Case, parts: Sequence[Any]) -> Loop:
    """Return the loop for a small network, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolution = (nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh())
        model = nn.Sequential(*convolution, nn.Flatten(), nn.Linear(12, CLASSES))
    own = copy.deepcopy(parts)
    return Loop(model, case.optimizer(model), own, EPOCHS, BATCH, **case.by_hand)


def _data() -> list[Batch]:
    """Return the tasks: random images of 4 × 4 pixels, which have nothing to do with their labels."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(TASKS, SAMPLES, 1, 4, 4, generator=random)
    return [(each, torch.arange(SAMPLES) % CLASSES) for each in x]


def without_penalty(parts: Sequence[Any]) -> list[Any]:
    """Return the parts with λ = 0."""
    return [replace(part, strength=0.0) if isinstance(part, Mas) else part for part in parts]


@contextmanager
def _by_default(dtype: torch.dtype) -> Iterator[None]:
    """Make tensors of a type unless another is asked for: Avalanche's loss is one of them."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
