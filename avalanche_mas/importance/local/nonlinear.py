"""The operations that l-MAS takes as nonlinearities, and those it cannot see into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avalanche_mas.importance.gradients.graph import nodes

_ACTIVATIONS = (
    "celu clamp clamp_max clamp_min clip elu erf expit gelu glu hardshrink hardsigmoid hardswish hardtanh "
    "leaky_relu logsigmoid log_sigmoid maximum minimum mish prelu relu relu6 rrelu selu sigmoid silu sin "
    "softplus softshrink softsign swish tanh tanhshrink threshold"
)


def _functions(names: str) -> dict[Any, str]:
    """Find the functions and methods of torch with these names, in place or not."""
    found = {}
    for name in names.split():
        for room in (torch, F, Tensor, torch.special, torch._C._nn):
            for spelled in (name, f"{name}_"):
                if hasattr(room, spelled):
                    found[getattr(room, spelled)] = name
    return found


ACTIVATIONS = _functions(_ACTIVATIONS)
_BOUNDS = frozenset(["clamp", "clamp_max", "clamp_min", "clip", "maximum", "minimum"])
_NODES = {name.replace("_", "") for name in _ACTIVATIONS.split() if name not in _BOUNDS}
_NODES.add("differentiablegraph")  # of a scripted function
RECURRENT = _functions("lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell")
PRODUCTS = _functions("mul multiply __mul__ __rmul__ __imul__")
LINEAR = {
    function: name
    for function, name in _functions(
        "add __add__ __radd__ sub subtract __sub__ __rsub__ rsub neg negative __neg__ mul multiply __mul__ "
        "__rmul__ div divide true_divide __truediv__ to type_as float double half bfloat16"
    ).items()
    if not getattr(function, "__name__", "").removesuffix("__").endswith("_")  # not in place
}
"""Operations that are linear, or shifted, in their first tensor if all else is constant."""

_SHAPING = _functions(
    "broadcast_to contiguous expand expand_as flatten permute reshape reshape_as squeeze transpose "
    "unsqueeze view_as"
)
_SHAPING[Tensor.view] = "view"

HOOKING = frozenset({Tensor.register_hook, Tensor.retain_grad})


def is_activation(func: Any, arguments: dict[str, Any]) -> bool:
    """Return whether an operation is an activation: one of torch's, or a recurrent kernel.

    Clamping to a small positive floor, as before a division by a norm, is none.
    """
    name = ACTIVATIONS.get(func)
    if name not in ("clamp", "clip", "clamp_min"):
        return name is not None or func in RECURRENT
    args = arguments.get("args", ())
    floor = arguments.get("min", args[1] if len(args) > 1 else None)
    ceiling = arguments.get("max", args[2] if len(args) > 2 else None)
    return not (isinstance(floor, int | float) and floor > 0 and ceiling is None)


def only_shapes(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether an operation gives its first tensor another shape, with the same values."""
    if func is Tensor.__getitem__:
        indices = args[1] if isinstance(args[1], tuple) else (args[1],)
        return all(i is None or i is Ellipsis or i == slice(None) for i in indices)
    return func in _SHAPING


def hidden_activation(tensor: Tensor) -> str | None:
    """Return an activation in the graph of a tensor that no seen operation made, or None."""
    for node in nodes(tensor):
        kind = node.name().rpartition("::")[2].partition("Backward")[0].lower()
        if kind in _NODES:
            return str(node.name())
    return None


def name_of(func: Any) -> str:
    """Return the name of an operation."""
    return ACTIVATIONS.get(func) or RECURRENT.get(func) or str(getattr(func, "__name__", func))


def refuse(name: str, reason: str) -> NoReturn:
    """Raise ValueError, as the stretch of a parameter cannot be determined."""
    raise ValueError(
        f"the stretch of {name!r} cannot be determined: {reason}; leave such parameters out "
        f"(parameters=, or exclude= of a plugin), or use global_importance"
    )


def refuse_unseen(model: nn.Module) -> None:
    """Raise ValueError if a part of the model is compiled, and torch cannot run it as it was written."""
    if hasattr(torch.compiler, "set_stance"):
        return
    for path, module in model.named_modules():
        if hasattr(module, "_orig_mod"):
            raise ValueError(
                f"the stretches of {path or 'the model'!r} cannot be determined: it is compiled, so its "
                f"operations cannot be seen; use the module from which it was compiled"
            )


def refuse_transformed(func: Any, arguments: Iterable[Tensor]) -> None:
    """Raise ValueError if a transform of `torch.func` hides what an operation is differentiated by."""
    for tensor in arguments:
        while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            tensor = torch._C._functorch.get_unwrapped(tensor)
        if tensor.requires_grad:
            raise ValueError(
                f"the stretches cannot be determined: {name_of(func)} runs within a transform of "
                f"torch.func (vmap, grad, jvp), in which activations cannot be followed; write it for "
                f"the whole batch, or use global_importance"
            )
