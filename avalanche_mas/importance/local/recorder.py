"""Recording a forward pass in stretches: backward passes that reach no further than one layer.

A stretch ends where the result of a nonlinearity is used. Half its squared norm is then differentiated at
once with respect to the uses of parameters behind it. The network goes on with the result as a constant.

Comments give the axes: B samples; ``...`` are a layer's other dimensions, in any place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.nn import Parameter
from torch.utils import _pytree as pytree
from typing_extensions import override

from avalanche_mas.importance.gradients.graph import is_written_part, leaves, nodes
from avalanche_mas.importance.gradients.persample import Dense, PerSample
from avalanche_mas.importance.local.descent import Descent, tensors_in
from avalanche_mas.importance.local.ends import Ends, Pending
from avalanche_mas.importance.local.nonlinear import (
    HOOKING,
    PRODUCTS,
    RECURRENT,
    hidden_activation,
    is_activation,
    name_of,
    refuse,
    refuse_transformed,
)
from avalanche_mas.importance.local.stretch import Stretch, Use
from avalanche_mas.importance.passes.probe import Layouts
from avalanche_mas.importance.passes.record import Recorder, Sink
from avalanche_mas.importance.passes.watch import Key, is_tap, tapped


class LocalRecorder(Recorder):
    """A recorder that runs the rules of a stretch as soon as the result of its nonlinearity is used.

    A use contributes to every end that it reaches, except those that were computed from another end it
    has contributed to: there it comes in from an earlier stretch, and is constant. The product of an
    activation, scaled or shifted or not, with something of its own stretch is the end in its place: a
    gate, SiLU or GELU written by hand.

    A parameter that an operation without a rule uses is exchanged for a leaf of its own at each such
    use. With a single sample its gradient is the per-sample gradient; with more it is `unplaced`.

    Attributes:
        stretches: those that were found.
    """

    def __init__(
        self,
        names: Mapping[Parameter, str],
        layouts: Layouts,
        samples: int,
        sink: Sink,
        buffers: Collection[Tensor],
        *,
        by_rule: bool = True,
    ) -> None:
        super().__init__(names, layouts, samples, sink)
        self.by_rule, self.descent = by_rule, Descent(buffers)
        self.stretches: list[Stretch] = []
        self._uses: dict[Tensor, Use] = {}  # by anchor or leaf
        self._ends = Ends()

    @override
    def prepare(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        gates = self._gated(args) if func in PRODUCTS else ()
        kept = gates or self._ends.scaled(func, args, kwargs)

        def given(tensor: Tensor) -> Tensor:
            return tensor if any(tensor is other for other in kept) else self._used(tensor)

        prepared: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_map_only(
            Tensor, given, (args, kwargs)
        )
        return prepared

    @override
    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        weights, behind = self.descent.from_weights(bound), self.descent.behind(bound)
        output = super().layer(key, bound, used, output)
        followed: Tensor = self._follow(key[0], output, [output], weights, behind, bound)
        return followed

    @override
    def tap(self, output: Tensor, names: dict[str, str]) -> Tensor:
        anchor = torch.zeros((), device=output.device, requires_grad=True)
        self._uses[anchor] = Use(tuple(names.values()))
        return tapped(output, anchor)

    @override
    def other(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in HOOKING and not args[0].requires_grad:  # no gradient will reach a constant
            return func(args[0].detach().requires_grad_(), *args[1:], **kwargs)
        scaled = self._ends.scaled(func, args, kwargs)
        gates = [t for t in args[:2] if isinstance(t, Tensor) and self._ends.is_open(t)]
        given = args, kwargs
        weights, behind = self.descent.from_weights(given), self.descent.behind(given)
        leaves_of: dict[Tensor, str] = {}

        def exchange(parameter: Parameter) -> Tensor:
            name = self.names.get(parameter)
            if name is None:
                return parameter
            if func in RECURRENT:
                refuse(name, f"{RECURRENT[func]} holds nonlinearities of its own")
            leaf = parameter.detach().requires_grad_()
            leaves_of[leaf] = name
            return leaf

        args, kwargs = pytree.tree_map_only(Parameter, exchange, (args, kwargs))
        result = func(*args, **kwargs)
        changed = args[:1] if result is None else result  # as by __setitem__
        results = tensors_in(changed)
        if leaves_of and any(t.requires_grad for t in results):
            self._use(leaves_of)
        if func in RECURRENT and isinstance(result, tuple):
            first, *rest = result
            ended = self._follow(func, first, [first], weights, behind, {})
            return (ended, *(t.detach() for t in rest))
        if scaled:  # y [B, ...] as a y + b, which may still become a gate
            if result is not scaled[0]:
                self._ends.add_image(result, scaled[0])
            self.descent.note([result], behind, weights)
            return result
        if gates:
            # The product is an end beside its gates, which become ends too if anything else uses them.
            ends = [end for gate in gates if (end := self._ends.pending(gate))]
            behind &= ~sum(1 << end.number for end in ends)
            name = "*".join(end.nonlinearity for end in ends)
            return self._begin_end(result, f"gated {name}", behind)
        return self._follow(func, result, results, weights, behind, {"args": args, **kwargs})

    @property
    def used(self) -> set[str]:
        """The names of the parameters that were used."""
        return {name for use in self._uses.values() for name in use.names} | self.unplaced

    @override
    def transformed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        refuse_transformed(func, tensors_in((args, kwargs)))
        return func(*args, **kwargs)

    def end_with(self, output: Tensor) -> None:
        """End the last stretch with the output of the network."""
        if self._ends.root(output) is not output or not self._ends.is_open(output):
            output = self._used(output)
            self._begin_end(output, "output", self.descent.behind(output))
        self._finalise(output)

    @override
    def arrive(self, name: str, part: PerSample | None) -> None:
        if part is not None:  # more may come from other stretches: all of it is summed at the end
            self._arrived[name].append(part)

    def _follow(
        self,
        func: Any,
        result: Any,
        results: list[Tensor],
        weights: bool,
        behind: int,
        arguments: dict[str, Any],
    ) -> Any:
        """Note what the results were computed from, and whether a nonlinearity has been applied."""
        self.descent.note(results, behind, weights)
        if weights or not is_activation(func, arguments) or not isinstance(result, Tensor):
            return result
        return self._begin_end(result, name_of(func), behind)

    def _begin_end(self, output: Tensor, nonlinearity: str, behind: int) -> Tensor:
        """Note that a tensor ends a stretch once it is used."""
        if is_written_part(output):
            for use in self._reached(output)[1]:
                refuse(self._uses[use].names[0], f"{nonlinearity} changes a part of it in place")
        number = self.descent.begin_end(output, behind)
        if output.requires_grad:
            self._ends.begin(output, Pending(nonlinearity, number, behind))
        return output

    def _finalise(self, output: Tensor) -> None:
        """Differentiate ½‖y‖² of a stretch's output y [B, ...], which is a constant from now on."""
        pending = self._ends.close(output)
        if pending is None:
            return
        custom, reached = self._reached(output)
        uses = [use for use in reached if not self._uses[use].ends & pending.behind]
        if uses:
            names = tuple(dict.fromkeys(name for use in uses for name in self._uses[use].names))
            if custom:
                refuse(names[0], f"{custom[0]}, a custom autograd.Function, may be a nonlinearity")
            self.stretches.append(Stretch(pending.nonlinearity, names))
            self.listen(self.unplaced, last=False)
            gradients = torch.autograd.grad(
                output,
                uses,  # anchors, scalars; and leaves, of a parameter's shape
                output.detach(),  # ∂ ½‖y‖² / ∂y = y, [B, ...]
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            self._listening = False
            for anchor, gradient in zip(uses, gradients, strict=True):
                use = self._uses[anchor]
                use.ends |= 1 << pending.number
                if use.is_leaf and self.samples == 1:
                    gradient = gradient.to_dense() if gradient.is_sparse else gradient
                    wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
                    self.arrive(use.names[0], Dense(wide[None]))  # [1, *parameter's shape]
        self.descent.inherit(self._ends.stand_for(output), output)

    def _reached(self, output: Tensor) -> tuple[list[str], list[Tensor]]:
        """Return the custom functions behind a tensor, and the anchors and leaves of uses, in order."""
        custom, found = [], set()
        for node in nodes(output):
            if hasattr(node, "variable"):
                found.add(node.variable)
                self._refuse_or_displace(node.variable)
            elif isinstance(node, BackwardCFunction) and not is_tap(node):
                custom.append(type(node).__name__.removesuffix("Backward"))
        return custom, [use for use in self._uses if use in found]

    def _refuse_or_displace(self, leaf: Tensor) -> None:
        """Handle a parameter that came into the graph without an operation that was seen."""
        name = self.names.get(leaf) if isinstance(leaf, Parameter) else None
        if name is None:
            return
        if not self.by_rule:
            refuse(name, "it is used other than by an operation of torch on the parameter itself")
        self.unplaced.add(name)

    def _gated(self, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """Return the factors that are unused activations of one stretch; refuse a used one of it."""
        factors = [t for t in args[:2] if isinstance(t, Tensor)]
        if len(factors) < 2 or self._ends.root(factors[0]) is self._ends.root(factors[1]):
            return ()
        uses = [self._open_uses(factor) for factor in factors]
        for factor, own, other in zip(factors, uses, factors[::-1], strict=True):
            if self._ends.is_closed(factor) or self._has_layers(other):
                continue
            behind_other = self.descent.behind(other)
            for use in own:
                if self._uses[use].ends & behind_other:
                    refuse(
                        self._uses[use].names[0],
                        "its output is multiplied by an activation that was computed from it, and "
                        "that was used before; if that is the gate of one layer, write it as a function "
                        "of torch (F.silu, F.glu)",
                    )
        if not uses[0] & uses[1]:
            return ()
        return tuple(t for t in factors if self._ends.is_open(t))

    def _open_uses(self, factor: Tensor) -> set[Tensor]:
        """Return the uses behind a tensor that do not belong to an end behind it, as they are constant."""
        behind = self.descent.behind(factor)
        return {u for u in self._reached(factor)[1] if not self._uses[u].ends & behind}

    def _has_layers(self, tensor: Tensor) -> bool:
        """Return whether parameters were used since the last end behind a tensor."""
        found = leaves(self._ends.going_on(tensor))
        return any(isinstance(leaf, Parameter) or leaf in self._uses for leaf in found)

    def _use(self, uses: dict[Tensor, str]) -> None:
        self.descent.note(uses, behind=0, weights=True)
        for leaf, name in uses.items():
            self._uses[leaf] = Use((name,), is_leaf=True)
            if self.samples > 1:
                self.unplaced.add(name)

    def _used(self, tensor: Tensor) -> Tensor:
        """Return what an operation gets for a tensor: a constant if a stretch ends there."""
        if tensor.grad_fn is not None and not self.descent.knows(tensor):
            self._refuse_hidden(tensor)
        root = self._ends.root(tensor)
        self._finalise(root)
        if self._ends.is_closed(root) and not self._ends.is_closed(tensor):
            self.descent.inherit(self._ends.stand_for(tensor), tensor)
        return self._ends.going_on(tensor)

    def _refuse_hidden(self, tensor: Tensor) -> None:
        """Refuse what a scripted function has made with an activation, which is not seen."""
        hidden = hidden_activation(tensor)
        for use in self._reached(tensor)[1] if hidden else ():
            reason = f"an operation of torch that is not seen ({hidden}), as in a scripted function"
            refuse(self._uses[use].names[0], f"{reason}, may be its nonlinearity")
