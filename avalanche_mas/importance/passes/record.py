"""Recording a forward pass, so that its backward pass gives per-sample gradients.

The operations that have a rule run on detached parameters. The backward pass then computes gradients at
the layers' outputs only. As each of them arrives, the layer's rule describes the per-sample gradients of
its parameters. An operation without a rule gets the parameters themselves, which stay leaves of the graph:
so they are found, whatever code used them.

Comments give the axes: B samples, m entries of a sample along the dimension that holds the samples;
``...`` are a layer's other dimensions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.nn import Parameter
from typing_extensions import override

from avalanche_mas.importance.gradients.layers import RULES, Rule
from avalanche_mas.importance.gradients.layout import Layout
from avalanche_mas.importance.gradients.persample import PerSample, Total
from avalanche_mas.importance.kernels.launch import has_kernels
from avalanche_mas.importance.passes.faint import Faint
from avalanche_mas.importance.passes.probe import Layouts
from avalanche_mas.importance.passes.watch import Key, Watcher, tapped

Sink = Callable[[str, PerSample, int], None]
"""Takes a parameter's name, its per-sample gradients summed over its uses, and how many uses it has."""


class Recorder(Watcher):
    """A forward pass whose rules run while the gradients of the backward pass arrive.

    Args:
        names: the tracked parameters and their names.
        layouts: where the samples lie in the outputs.
        samples: the number of samples in the batch.
        sink: gets the per-sample gradients of every parameter that is used by rules alone.

    Attributes:
        uses: the number of uses of each parameter that a rule covers.
        unplaced: names of parameters of which a use could not be split into samples.
        reached: names of parameters at a use of which a gradient has arrived.
    """

    def __init__(
        self, names: Mapping[Parameter, str], layouts: Layouts, samples: int, sink: Sink
    ) -> None:
        super().__init__(names)
        self.layouts, self.samples, self.sink = layouts, samples, sink
        device = next(iter(names)).device
        # A scalar behind every output, so that a gradient is computed there; see `tapped`.
        self._anchor = torch.zeros((), device=device, requires_grad=True)
        self.unplaced: set[str] = set()
        self.reached: set[str] = set()
        self.uses: Counter[str] = Counter()
        self.faint = Faint()
        self._listening = self._last = False
        self._waiting: Counter[str] = Counter()
        self._arrived: defaultdict[str, list[PerSample]] = defaultdict(list)
        self._skipped: set[str] = set()

    @override
    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        names = {role: self.names[parameter] for role, parameter in used.items()}
        found: Rule = RULES[key[0]]
        layout = self.layouts.find(key, output, self.samples)
        if layout is None or layout.dim >= output.dim() - found.features(output, bound):
            self.unplaced.update(names.values())
        self.uses.update(names.values())
        output = self.tap(output, names)  # [B m, ...], now with a node in the graph
        edge = get_gradient_edge(output)
        node, number = edge.node, edge.output_nr
        reads = found.reads and set(used) != {"bias"}
        versions = {
            role: value._version
            for role, value in bound.items()
            if reads and isinstance(value, Tensor) and not value.is_inference()
        }

        def arrive(gradients: tuple[Tensor | None, ...]) -> None:
            self.reached.update(names.values())
            if not self._listening:  # the network differentiates itself, which has no rule
                self.unplaced.update(names.values())
                return
            wanted = {role: name for role, name in names.items() if name not in self._skipped}
            delta = gradients[number]  # [B m, ...], the gradient at the output
            parts: dict[str, PerSample] = {}
            if wanted and delta is not None and layout is not None:
                first = next(iter(wanted.values()))
                _refuse_modified(bound, versions, first)
                self.faint.note(first, delta)
                parts = _describe(found, delta, layout, bound)  # of [B, *parameter's shape]
            if self._last:
                bound.clear()
            for role, name in wanted.items():
                self.arrive(name, parts.get(role))

        node.register_prehook(arrive)
        return output

    def tap(self, output: Tensor, names: dict[str, str]) -> Tensor:  # noqa: ARG002
        """Make sure that the gradient at a use's output will be computed."""
        return output if output.requires_grad else tapped(output, self._anchor)

    def listen(self, skip: set[str], *, last: bool = True) -> None:
        """Expect a backward pass, the last one or not, in which the parameters to skip get no gradients."""
        self._skipped, self._listening, self._last = skip, True, last
        self._waiting = Counter(self.uses)

    def arrive(self, name: str, part: PerSample | None) -> None:
        """Keep one use's contribution to a parameter; pass the sum on with the last use."""
        self._waiting[name] -= 1  # uses whose gradient is still to come
        if part is not None:
            self._arrived[name].append(part)
        if self._waiting[name] == 0:
            self._pass_on(name)

    def finish(self) -> None:
        """Flush parameters with uses that got no gradient because they do not reach the output."""
        for name in list(self._arrived):
            self._pass_on(name)

    def _pass_on(self, name: str) -> None:
        parts = self._arrived.pop(name, [])
        if parts and name not in self._skipped:
            several = len(parts) > 1
            whole = Total([part.wide() for part in parts]) if several else parts[0]
            with torch.no_grad(), torch.autocast(self._anchor.device.type, enabled=False):
                self.sink(name, whole, self.uses[name])


def _describe(
    found: Rule, delta: Tensor, layout: Layout, bound: dict[str, Any]
) -> dict[str, PerSample]:
    """Return what the rule says, computed in float32 or wider (autocast, half-precision networks).

    What kernels may take is widened later, if at all.
    """
    wide = torch.promote_types(delta.dtype, torch.float32)
    for value in bound.values():
        if isinstance(value, Tensor) and value.is_floating_point():
            wide = torch.promote_types(wide, value.dtype)
    as_it_is = found.narrow and wide == torch.float32 and has_kernels(delta.device)

    def widened(value: Any) -> Any:
        if not _is_activation(value):
            return value
        return value.detach() if as_it_is else value.detach().to(wide)

    with torch.autocast(delta.device.type, enabled=False):
        return found.gradients(widened(delta), layout, *map(widened, bound.values()))


def _is_activation(value: Any) -> bool:
    return (
        isinstance(value, Tensor) and not isinstance(value, Parameter) and value.is_floating_point()
    )


def _refuse_modified(bound: dict[str, Any], versions: dict[str, int], name: str) -> None:
    for role, version in versions.items():
        if bound[role]._version != version:
            raise RuntimeError(
                f"the argument {role!r} of the layer that holds {name!r} was modified in place after "
                f"the layer had used it, so its gradient cannot be computed; make that operation "
                f"out-of-place"
            )
