"""Watching a forward pass: which operations use parameters, on what input, with what gradient.

Each operation that has a rule runs on detached parameters. The backward pass then computes gradients at
the layers' outputs only, and as each of them arrives the layer's rule turns it into Σ_k |g_k| and lets
go of the input. An operation without a rule sees the parameters themselves, which so remain leaves of
the graph: that is how they are found, whatever code used them.
"""

from __future__ import annotations

import types
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from avalanche_mas.importance.layers import RULES, Rule
from avalanche_mas.importance.layout import Layout, locate
from avalanche_mas.importance.persample import PerSample, Total

__all__ = ["Layouts", "Probe", "Recorder", "leaves"]

Key = tuple[Any, ...]
"""A use of parameters: the operation, the parameters' names, and how often they were used before."""


class _Watcher(TorchFunctionMode):
    """Hands every operation that has a rule and uses tracked parameters to :meth:`layer`."""

    def __init__(self, names: Mapping[Parameter, str]) -> None:
        super().__init__()
        self.names = names
        self.times: Counter[Key] = Counter()

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _COMPOSITES:
            with self:
                return _COMPOSITES[func](*args, **kwargs)
        if func not in RULES or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        bound = RULES[func].bind(args, kwargs) or {}
        used = {
            role: bound[role]
            for role in RULES[func].parameters
            if isinstance(bound.get(role), Parameter) and bound[role] in self.names
        }
        others = [value for role, value in bound.items() if role not in used]
        if not used or any(value is parameter for value in others for parameter in used.values()):
            return func(*args, **kwargs)
        use = (func, *(self.names[parameter] for parameter in used.values()))
        self.times[use] += 1
        args = tuple(_detached(value, used) for value in args)
        kwargs = {name: _detached(value, used) for name, value in kwargs.items()}
        return self.layer((*use, self.times[use]), bound, used, func(*args, **kwargs))

    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        """Take note of one use and give the output that the network goes on with."""
        raise NotImplementedError


class Probe(_Watcher):
    """Keeps the output of every use when the network sees a single sample."""

    def __init__(self, names: Mapping[Parameter, str]) -> None:
        super().__init__(names)
        self.outputs: dict[Key, Tensor] = {}

    @override
    def layer(
        self,
        key: Key,
        bound: dict[str, Any],
        used: dict[str, Parameter],
        output: Tensor,
    ) -> Tensor:
        self.outputs[key] = output.detach().clone()
        return output


class Layouts:
    """The layout of each use's output, learned from a :class:`Probe` and good for later batches."""

    def __init__(self) -> None:
        self.known: dict[Key, Layout | None] = {}
        self.probes: dict[int, Probe] = {}

    @property
    def lasting(self) -> bool:
        """Whether what is known may be used for a further batch.

        Not where a sample has several entries along the batch dimension: how many of them are whose
        may depend on what is in the batch.
        """
        return bool(self.known) and all(
            layout is None or layout.inner == 1 for layout in self.known.values()
        )

    def compare_with(self, probes: dict[int, Probe]) -> None:
        """Learn from the next forward pass: each probe has seen the sample of its number alone."""
        self.probes = probes

    def end_comparison(self) -> None:
        """Stop learning."""
        self.probes = {}

    def find(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Give the layout of ``output``, or None where it is not known or does not fit."""
        if samples == 1:
            return Layout(0, 1, output.shape[0]) if output.dim() else None
        if self.probes:
            self.known[key] = self._compare(key, output.detach(), samples)
        known = self.known.get(key)
        if known is None:
            return None
        layout = Layout(known.dim, samples, known.inner, known.outermost)
        return layout if layout.fits(output) else None

    def _compare(self, key: Key, output: Tensor, samples: int) -> Layout | None:
        """Read ``output`` in the one way that shows every probe's sample in its place."""
        found: set[Layout | None] = set()
        for k, probe in self.probes.items():
            alone = probe.outputs.get(key)
            found.add(None if alone is None else locate(output, alone, samples, k))
        return found.pop() if len(found) == 1 else None


class Recorder(_Watcher):
    """Sums |per-sample gradient| of every tracked parameter whose every use has a rule.

    Use as a context manager around the forward pass; :meth:`skip` what is dealt with otherwise; then run
    the backward pass to all of its :func:`leaves`, and :meth:`finish`.

    Attributes:
        unplaced: names of parameters with a use whose samples could not be told apart.
        unknown: whether there was a use that no probe has been compared with.
        recorded: names of the parameters with a use that has a rule.
    """

    def __init__(
        self,
        names: Mapping[Parameter, str],
        totals: Mapping[str, Tensor],
        layouts: Layouts,
        samples: int,
        max_bytes: int,
    ) -> None:
        super().__init__(names)
        self.totals, self.layouts, self.samples, self.max_bytes = (
            totals,
            layouts,
            samples,
            max_bytes,
        )
        device = next(iter(totals.values())).device
        self._anchor = torch.zeros((), device=device, requires_grad=True)
        self.unplaced: set[str] = set()
        self.unknown = False
        self.recorded: set[str] = set()
        self._listening = False
        self._awaited: Counter[str] = Counter()
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
        self.unknown |= self.samples > 1 and key not in self.layouts.known
        self.recorded.update(names.values())
        if not output.requires_grad:
            output = _Tap.apply(output.clone() if output._is_view() else output, self._anchor)
        self._awaited.update(names.values())
        node, number = output.grad_fn, output.output_nr
        assert node is not None
        versions = {
            role: value._version
            for role, value in bound.items()
            if isinstance(value, Tensor) and not value.is_inference()
        }

        def arrive(gradients: tuple[Tensor | None, ...]) -> None:
            if not self._listening:  # the network differentiates itself, which has no rule
                self.unplaced.update(names.values())
                return
            wanted = {role: name for role, name in names.items() if name not in self._skipped}
            delta = gradients[number]
            parts: dict[str, PerSample] = {}
            if wanted and delta is not None and layout is not None:
                _refuse_modified(bound, versions, next(iter(wanted.values())))
                parts = _describe(found, delta, layout, bound)
            bound.clear()
            for role, name in wanted.items():
                self._arrive(name, parts.get(role))

        node.register_prehook(arrive)
        return output

    def skip(self, names: set[str]) -> None:
        """Leave these parameters alone in the backward pass, which comes next."""
        self._skipped, self._listening = names, True

    def finish(self) -> None:
        """Sum the parameters of which some uses never got a gradient: they do not reach the output."""
        for name in list(self._arrived):
            self._sum(name)

    def _arrive(self, name: str, part: PerSample | None) -> None:
        self._awaited[name] -= 1
        if part is not None:
            self._arrived[name].append(part)
        if self._awaited[name] == 0:
            self._sum(name)

    def _sum(self, name: str) -> None:
        parts = self._arrived.pop(name, [])
        if parts:
            whole = parts[0] if len(parts) == 1 else Total(parts)
            total = self.totals[name]
            with torch.autocast(total.device.type, enabled=False):
                whole.add_abs_sum(total, self.max_bytes)


class _Tap(torch.autograd.Function):
    """Makes a tensor part of the graph, so that its gradient is computed; its values are untouched."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor) -> Tensor:  # noqa: ARG004
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[None, Tensor]:  # noqa: ARG004
        return None, delta.new_zeros(())


def leaves(output: Tensor) -> set[Tensor]:
    """Give the tensors that require a gradient and from which ``output`` was computed."""
    found: set[Tensor] = set()
    seen: set[Any] = set()
    queue: list[Any] = [output.grad_fn]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(node.variable)
        queue.extend(following for following, _ in node.next_functions)
    return found


def _describe(
    found: Rule, delta: Tensor, layout: Layout, bound: dict[str, Any]
) -> dict[str, PerSample]:
    """Ask the rule, in the parameters' precision or float32 if that is wider (autocast, half nets)."""
    wide = torch.promote_types(delta.dtype, torch.float32)
    for value in bound.values():
        if isinstance(value, Tensor) and value.is_floating_point():
            wide = torch.promote_types(wide, value.dtype)
    widened = {
        role: value.to(wide) if _is_activation(value) else value for role, value in bound.items()
    }
    with torch.autocast(delta.device.type, enabled=False):
        return found.gradients(delta.to(wide), layout, *widened.values())


def _is_activation(value: Any) -> bool:
    return (
        isinstance(value, Tensor) and not isinstance(value, Parameter) and value.is_floating_point()
    )


def _refuse_modified(bound: dict[str, Any], versions: dict[str, int], name: str) -> None:
    for role, version in versions.items():
        if bound[role]._version != version:
            raise RuntimeError(
                f"the argument {role!r} of the layer that holds {name!r} was modified in place after "
                f"the layer had used it, so its gradient cannot be computed (nor could it in training); "
                f"make that operation out-of-place"
            )


def _detached(value: Any, used: dict[str, Parameter]) -> Any:
    return value.detach() if any(value is parameter for parameter in used.values()) else value


def _descending(composite: Any) -> Any:
    """Copy a composite of ``torch.nn.functional`` so that a mode sees the operations within it."""
    silent = {
        name: lambda *_: False
        for name in (
            "has_torch_function",
            "has_torch_function_unary",
            "has_torch_function_variadic",
        )
    }
    return types.FunctionType(
        composite.__code__,
        {**composite.__globals__, **silent},
        composite.__name__,
        composite.__defaults__,
        composite.__closure__,
    )


_COMPOSITES = {F.multi_head_attention_forward: _descending(F.multi_head_attention_forward)}
