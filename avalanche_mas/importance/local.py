"""The local form of Ω (l-MAS): the gradient at a layer comes from that layer's own output.

The network is watched as it runs. Where a nonlinearity is applied, a stretch ends: its squared norm is
differentiated at once with respect to the uses of parameters that reach it and no earlier nonlinearity,
and the network goes on with the result as a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary
from typing_extensions import override

from avalanche_mas.importance.layout import batch_size, select
from avalanche_mas.importance.persample import Dense, PerSample
from avalanche_mas.importance.probe import Layouts, Network
from avalanche_mas.importance.record import Recorder, Sink, leaves, tapped
from avalanche_mas.importance.watch import Key

__all__ = ["LocalRecorder", "Stretch", "Stretches"]

_ACTIVATIONS = (
    "celu clamp clamp_max clamp_min clip elu erf expit gelu glu hardshrink hardsigmoid hardswish hardtanh "
    "leaky_relu logsigmoid log_sigmoid mish prelu relu relu6 rrelu selu sigmoid silu sin softplus "
    "softshrink softsign swish tanh tanhshrink threshold"
)
_RECURRENT = "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"


def _functions(names: str) -> dict[Any, str]:
    """Find the functions and methods of torch with these names, in place or not."""
    rooms = (torch, F, Tensor, torch.special, torch._C._nn)
    found = {}
    for name in names.split():
        for room in rooms:
            for spelled in (name, f"{name}_"):
                if hasattr(room, spelled):
                    found[getattr(room, spelled)] = name
    return found


NONLINEARITIES = _functions(_ACTIVATIONS)
RECURRENT = _functions(_RECURRENT)


@dataclass(frozen=True)
class Stretch:
    """A layer of l-MAS.

    Attributes:
        end: the nonlinearity that ends it, or "output".
        parameters: names of its parameters, in the order of their use.
    """

    end: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.parameters)} -> {self.end}"


class Stretches:
    """Adds Σ_k |∂‖F_l(y(x_k))‖₂² / ∂θ_l| of batch after batch, for every stretch l.

    Args:
        network: the network and its tracked parameters.
        totals: the sums so far, by name; they are added to.
        max_bytes: upper bound on the per-sample gradients that are held at a time.

    Raises:
        ValueError: a part of the network is scripted, so that its operations cannot be seen.
    """

    def __init__(self, network: Network, totals: dict[str, Tensor], max_bytes: int) -> None:
        refuse_scripted(network.model)
        self.network, self.totals, self.max_bytes = network, totals, max_bytes

    def add(self, batch: Any) -> int:
        """Add one batch to the totals and give its number of samples."""
        samples = batch_size(batch)
        if samples:
            others = self._record(batch, self.network.names, by_rule=True)
            if others:
                names = {p: name for p, name in self.network.names.items() if name in others}
                for k in range(samples):
                    self._record(select(batch, slice(k, k + 1)), names, by_rule=False)
        return samples

    def found(self, batch: Any) -> list[Stretch]:
        """Give the stretches that the first sample of a batch goes through."""
        names, layouts = self.network.names, self.network.layouts

        def record() -> LocalRecorder:
            return LocalRecorder(names, layouts, 1, lambda _name, _part: None)

        recorder, output = self.network.watch(select(batch, slice(0, 1)), record)
        recorder.end(output, "output")
        return recorder.stretches

    def _record(self, batch: Any, names: Mapping[Parameter, str], *, by_rule: bool) -> set[str]:
        """Add what can be split into samples; give the names of the parameters for which it cannot."""

        def record() -> LocalRecorder:
            return LocalRecorder(
                names, self.network.layouts, batch_size(batch), self._into_totals, by_rule=by_rule
            )

        recorder, output = self.network.watch(batch, record)
        recorder.end(output, "output")
        recorder.finish()
        return recorder.unplaced

    def _into_totals(self, name: str, part: PerSample) -> None:
        part.add_abs_sum(self.totals[name], self.max_bytes)


class LocalRecorder(Recorder):
    """Runs the rules of a stretch as soon as the network comes to its end.

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
        *,
        by_rule: bool = True,
    ) -> None:
        super().__init__(names, layouts, samples, sink)
        self.by_rule = by_rule
        self.stretches: list[Stretch] = []
        self._open: dict[Tensor, tuple[str, ...]] = {}  # anchors and leaves of uses
        self._weights = WeakIdKeyDictionary()  # what was computed from parameters alone

    @override
    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        weights = self._all_weights(bound)
        output = super().layer(key, bound, used, output)
        if weights:
            self._weights[output] = True
        return output

    @override
    def tap(self, output: Tensor, names: dict[str, str]) -> Tensor:
        anchor = torch.zeros((), device=output.device, requires_grad=True)
        self._open[anchor] = tuple(names.values())
        return tapped(output, anchor)

    @override
    def other(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if getattr(func, "__name__", "") == "__get__":
            return func(*args, **kwargs)
        weights = self._all_weights((args, kwargs))
        leaves_of: dict[Tensor, str] = {}

        def exchange(parameter: Parameter) -> Tensor:
            name = self.names.get(parameter)
            if name is None:
                return parameter
            if func in RECURRENT:
                _refuse_recurrent(name, RECURRENT[func])
            leaf = parameter.detach().requires_grad_()
            leaves_of[leaf] = name
            return leaf

        args, kwargs = pytree.tree_map_only(Parameter, exchange, (args, kwargs))
        result = func(*args, **kwargs)
        results = [t for t in pytree.tree_leaves(result) if isinstance(t, Tensor)]
        if leaves_of and any(t.requires_grad for t in results):
            self._use(leaves_of)
        if weights:
            self._weights.update(dict.fromkeys(results, True))
        elif func in NONLINEARITIES and isinstance(result, Tensor):
            return self.end(result, NONLINEARITIES[func])
        return result

    def end(self, output: Tensor, nonlinearity: str) -> Tensor:
        """End a stretch with this output, and give what the network goes on with."""
        reached = leaves(output)
        uses = [use for use in self._open if use in reached]
        if not uses:
            return output
        names = dict.fromkeys(name for use in uses for name in self._open[use])
        self.stretches.append(Stretch(nonlinearity, tuple(names)))
        self.listen(self.unplaced)
        gradients = torch.autograd.grad(
            output, uses, 2 * output.detach(), allow_unused=True, materialize_grads=True
        )
        self._listening = False
        for use, gradient in zip(uses, gradients, strict=True):
            (name, *_) = self._open.pop(use)
            if use in self._weights and self.samples == 1:
                self.arrive(name, Dense(gradient[None]))
        return output.detach()

    @override
    def arrive(self, name: str, part: PerSample | None) -> None:
        if part is not None:  # more may come from other stretches: all of it is summed at the end
            self._arrived[name].append(part)

    def _use(self, uses: dict[Tensor, str]) -> None:
        for leaf, name in uses.items():
            self._open[leaf] = (name,)
            self._weights[leaf] = True
            if self.samples > 1:
                self.unplaced.add(name)

    def _all_weights(self, arguments: Any) -> bool:
        """Whether there are tensors, and all are parameters or were computed from them alone."""
        tensors = [t for t in pytree.tree_leaves(arguments) if isinstance(t, Tensor)]
        return bool(tensors) and all(
            isinstance(t, Parameter) or t in self._weights for t in tensors
        )


def _refuse_recurrent(name: str, kernel: str) -> NoReturn:
    raise ValueError(
        f"the stretch of {name!r} cannot be determined: {kernel} holds nonlinearities of its own; "
        f"leave its parameters out (parameters=, or exclude= of a plugin), or use global_importance"
    )


def refuse_scripted(model: nn.Module) -> None:
    """Raise ValueError if a part of the model is scripted: its operations cannot be seen."""
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                f"the stretches of {path or 'the model'!r} cannot be determined: it is scripted, so its "
                f"operations cannot be seen; use the module it was scripted from"
            )
