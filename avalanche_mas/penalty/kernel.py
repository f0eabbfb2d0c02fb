"""The penalty's gradient as a Triton kernel for many tensors; imported only where it is to run."""

# No postponed annotations: the interpreter of Triton 3.0 does not know `tl.constexpr` as a string.
import triton
import triton.language as tl

BLOCK = 1024
"""Elements per program: two loads of 16 bytes from each float32 tensor in each of 128 threads."""


@triton.jit
def _add(
    gradients: tl.tensor,
    parameters: tl.tensor,
    anchors: tl.tensor,
    importances: tl.tensor,
    mask: tl.tensor,
    factor: tl.tensor,
    damping: tl.tensor,
    DAMPED: tl.constexpr,
) -> None:
    """Add the gradient to one block, in float32."""
    omega = tl.load(importances, mask).to(tl.float32)
    theta = tl.load(parameters, mask).to(tl.float32)
    anchor = tl.load(anchors, mask).to(tl.float32)
    gradient = tl.load(gradients, mask).to(tl.float32)
    gradient += factor * omega * (theta - anchor)
    if DAMPED:
        gradient = tl.div_rn(gradient, 1.0 + damping * omega)
    tl.store(gradients, gradient.to(gradients.dtype.element_ty), mask)


@triton.jit
def add_gradients(
    tensors: tl.tensor,
    blocks: tl.tensor,
    rate: tl.tensor,
    factor: tl.tensor,
    damping: tl.tensor,
    GRADIENT: tl.constexpr,
    PARAMETER: tl.constexpr,
    ANCHOR: tl.constexpr,
    IMPORTANCE: tl.constexpr,
    ALIGNED: tl.constexpr,
    DAMPED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Add the penalty's gradient to block `program_id` of many tensors.

    Args:
        tensors: [T, 5] int64; of each parameter the number of elements and the addresses of p.grad,
            θ, θ* and Ω.
        blocks: [programs, 2] int32; the tensor, and which of its blocks.
        rate: η as a tensor without dimensions, or None.
        factor: h / Ω.
        damping: η h / Ω, or h / Ω if the rate is a tensor.
        GRADIENT: the dtype of p.grad.
        PARAMETER: that of θ.
        ANCHOR: that of θ*.
        IMPORTANCE: that of Ω.
        ALIGNED: whether all addresses are multiples of 16.
        DAMPED: whether to divide by 1 + η h.
        BLOCK: the elements of a block.
    """
    program = blocks + 2 * tl.program_id(0)
    row = tensors + 5 * tl.load(program)
    start = tl.load(program + 1).to(tl.int64) * BLOCK
    size = tl.load(row)
    gradient = tl.load(row + 1).to(tl.pointer_type(GRADIENT))
    parameter = tl.load(row + 2).to(tl.pointer_type(PARAMETER))
    anchor = tl.load(row + 3).to(tl.pointer_type(ANCHOR))
    importance = tl.load(row + 4).to(tl.pointer_type(IMPORTANCE))
    if ALIGNED:
        gradient = tl.multiple_of(gradient, 16)
        parameter = tl.multiple_of(parameter, 16)
        anchor = tl.multiple_of(anchor, 16)
        importance = tl.multiple_of(importance, 16)
    offsets = start + tl.arange(0, BLOCK)
    gradients = gradient + offsets
    parameters = parameter + offsets
    anchors = anchor + offsets
    importances = importance + offsets
    if rate is not None:
        damping *= tl.load(rate).to(tl.float32)
    if start + BLOCK <= size:
        _add(gradients, parameters, anchors, importances, None, factor, damping, DAMPED)
    else:
        mask = offsets < size
        _add(gradients, parameters, anchors, importances, mask, factor, damping, DAMPED)
