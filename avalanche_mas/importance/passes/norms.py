"""Batch and instance normalisation of a single image, whose backward pass in torch is wrong at times.

torch 2.15 on a CPU gives wrong gradients, by tens of per cent, for a batch of one image if its memory and
that of the gradient at the output are in different orders. That happens where an image is flattened into a
sequence, as by LeViT and EfficientFormer: a transposed tensor of one image passes for contiguous in one
place and for channels-last in another. With both of them contiguous the gradients are right.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override

_NORMS = frozenset({F.batch_norm, F.instance_norm, torch.batch_norm, torch.instance_norm})


class ContiguousNorms(TorchFunctionMode):
    """A mode in which these operations get contiguous tensors, in the forward and the backward pass."""

    @override
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _NORMS or torch._C._functorch.maybe_current_level() is not None:
            return func(*args, **kwargs)
        images: Tensor = args[0] if args else kwargs["input"]  # [B, C, *positions]
        if len(images) != 1:
            return func(*args, **kwargs)
        if args:
            args = (images.contiguous(), *args[1:])
        else:
            kwargs = {**kwargs, "input": images.contiguous()}
        result: Tensor = func(*args, **kwargs)
        if result.requires_grad:
            with torch._C.DisableTorchFunction():  # no operation of the network
                result.register_hook(lambda delta: delta.contiguous())
        return result
