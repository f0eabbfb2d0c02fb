"""The public estimators: global and local importance, and the Fisher information."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from torch import nn

from avalanche_mas.importance.local.local_form import LocalSums
from avalanche_mas.importance.passes.batches import (
    MAX_BYTES,
    Pass,
    Totals,
    mean_over_batches,
)
from avalanche_mas.importance.passes.global_form import (
    BatchSums,
    EachOutput,
    SampleSums,
    output_sums,
    squared_norm,
)
from avalanche_mas.importance.passes.likelihood import Labels, Likelihood
from avalanche_mas.importance.passes.network import Forward, Network
from avalanche_mas.importance.result.importance import Importance
from avalanche_mas.importance.result.measure import Measure
from avalanche_mas.options import check_option
from avalanche_mas.processes import Group


def global_importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    start: Importance | None = None,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
    output: Literal["l2", "vector"] = "l2",
    granularity: Literal["sample", "batch"] = "sample",
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
    group: Group = None,
) -> Importance:
    r"""Measure how sensitive the output is to each parameter, without labels (MAS, global form).

    Ω = (1/N) Σ_k |∂‖F(x_k; θ)‖₂² / ∂θ|: the absolute value per sample, then the mean over the N samples.
    Squared norm, no ½, no mean over the outputs. Aljundi et al., "Memory Aware Synapses: Learning what
    (not) to forget", ECCV 2018, equations 2 and 3. With ``output="vector"``, its equation for outputs
    taken one by one: Ω = (1/N) Σ_k ‖∂F(x_k; θ)/∂θ‖₂ over the C outputs, which takes C backward passes.

    The result depends neither on the batch size nor on the order of the samples. To check that samples
    do not interact, and to find where they lie in the layers' outputs, the first and the last sample of
    a batch are run alone, and the batch is run in reverse order where samples have several rows each or
    layers share a parameter: for the first batch, and for every batch where the network picks rows by
    their values (sorting, masks, lengths). The network runs in eval mode. Every forward pass begins in
    the same state, without the caches of the one before and on a copy of the batch; full backward hooks
    do not fire. Afterwards the modes, attributes, ``requires_grad``, ``p.grad``, buffers and random
    states are as they were, also when an exception passes through.

    If the model is in half precision or under autocast, the norm and the sums are still in float32; a
    warning names a layer whose gradients float16 cannot resolve.

    Args:
        model: the network; its output F before the softmax has shape [B, C]. Any other output of that
            shape works too: an embedding, a regression.
        batches: an iterable of batches, such as a list or a ``DataLoader``. A batch is a tensor [B, ...],
            or a tuple, list, mapping or dataclass that holds such tensors, nested or not, with the
            samples along the first dimension. Of a tuple or list the model gets the first entry, of a
            mapping the entries as keyword arguments if it takes them. A tensor that belongs to all
            samples alike (class prototypes, a mask that is broadcast) is kept whole: the first batch
            decides which; if row counts are ambiguous, single samples are run to find out.
            Batches are not moved: for a model on a GPU, give batches that are there, or a ``forward``
            that moves them.
        start: an earlier result for the same model, to continue: the result is that of one pass over
            the samples of both.
        forward: maps (model, batch) to F, if ``model(x)`` does not give it: for a model that
            returns a dictionary or a dataclass, or takes more than the batch.
        parameters: names of the parameters to measure (default: those that require a gradient). Those
            on the meta device have no values and are left out.
        output: "l2" for the squared norm of the output, "vector" for the norm over its C gradients.
        granularity: "sample" for Ω as above. "batch" for (1/N) Σ_b |Σ_{k in b} g_k|, the absolute value
            after the sum over each batch, as the authors' released code and other libraries have it:
            another and smaller quantity, which depends on the batch size. The network runs in eval mode
            here too, and a short last batch counts by its samples. There is no check for interaction.
        max_bytes: upper bound in bytes on the per-sample gradients that are held at a time, beyond the
            memory of an ordinary training step; but those of one sample are always held where ``output``
            is "vector".
        progress: show a progress bar over the batches.
        group: the processes that measure together, such as ``torch.distributed.group.WORLD``. Each passes
            its own batches, or none, and gets the Ω of all of them, the same to the bit. The model and
            ``start`` must be the same in all, but for its buffers: those of the first process are used.
            With "batch" granularity, a batch is one process's. None: this process alone.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: ``batches`` is a single batch or a data set of samples, a batch holds no tensor or
            is a mapping that the model does not take, or the output is not a tensor.
        ValueError: no parameter to measure, an unknown name or option, no samples, an output that is not
            [B, C], random, or detached from all parameters, NaN or infinity in the output or in Ω, samples
            that interact, a tensor with another number of rows than the batch has samples, a scripted or
            traced module, a cache that was filled before, ``start`` of another model or measure.
        RuntimeError: activations are checkpointed, or an input of a layer is modified after its use.
        LostProcessError: a process of the group has ended, or does not answer within the group's timeout.
            All other errors of a process are raised in all of them.
    """
    check_option("output", output, ("l2", "vector"))
    check_option("granularity", granularity, ("sample", "batch"))

    def begin(network: Network, totals: Totals) -> Pass:
        if granularity == "batch":
            return BatchSums(network, totals, squared_norm if output == "l2" else output_sums)
        return (SampleSums if output == "l2" else EachOutput)(network, totals, max_bytes)

    measure = Measure(output, granularity)
    return mean_over_batches(
        model, batches, measure, begin, start, forward, parameters, max_bytes, progress, group
    )


def local_importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    start: Importance | None = None,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
    group: Group = None,
) -> Importance:
    r"""Measure how sensitive each layer's own output is to its parameters (l-MAS, the Hebbian form).

    Ω = (1/N) Σ_k |∂‖F_l(y(x_k); θ_l)‖₂² / ∂θ_l| with the layer's input y held constant, so that nothing
    is propagated across the network. For a fully connected layer with ReLU that is the product of
    the two activations, (2/N) Σ_k y_i y_j. Squared norm over all entries of the layer's output, no ½.
    Aljundi et al., ECCV 2018, where MAS is connected to Hebbian learning.

    A layer is the stretch of operations between consecutive nonlinearities, and ends with its
    nonlinearity, or else with the network's output: a convolution, its batch norm, a residual addition
    and the ReLU after them are one layer, and what comes in over the skip connection is held constant.
    Each use of a parameter belongs to the nonlinearity that it reaches first, or to several that it
    reaches side by side; an activation that is multiplied by what it was computed from (SiLU, GELU or
    GLU written by hand) counts as one with the product. Nonlinearities are the elementwise activations of
    torch (modules, functions or methods, in place or not), GLU and recurrent kernels; pooling,
    normalisation, dropout, concatenation and the softmax of attention are within a stretch, and so are
    activations spelled out in other elementary operations. `stretches` shows what is taken as a layer.

    Everything else is as for `global_importance`, and so are the arguments.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: a batch holds no tensor, or the output is not a tensor.
        ValueError: as for `global_importance`; or the stretch of a parameter cannot be determined: a
            recurrent kernel uses it, a custom autograd function, a compiled module before torch 2.6, a
            transform of `torch.func`, or a gate that was used before. The message names it.
    """

    def begin(network: Network, totals: Totals) -> Pass:
        return LocalSums(network, totals, max_bytes)

    return mean_over_batches(
        *(model, batches, Measure("local"), begin, start, forward, parameters, max_bytes, progress),
        *(group, 2.0),
    )


def fisher_information(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    labels: Labels = "drawn",
    start: Importance | None = None,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: bool = False,
    group: Group = None,
) -> Importance:
    r"""Measure the diagonal of the Fisher information of a classifier, exactly per sample (EWC).

    Ω = (1/N) Σ_k (∂ log p(y_k | x_k; θ) / ∂θ)² with p = softmax(F(x_k; θ)): the natural logarithm,
    squared per sample, then the mean over the N samples. No ½. Kirkpatrick et al., "Overcoming
    catastrophic forgetting in neural networks", PNAS 2017, whose penalty is (λ/2) Σ Ω (θ − θ*)².
    Which labels y_k are taken makes a difference:

    - "drawn": one label per sample, drawn from the model, y_k ~ p(· | x_k; θ). The labels of the data
      are not looked at. Unbiased for the Fisher information; one backward pass.
    - "expected": the mean over the model's labels, Ω = (1/N) Σ_k Σ_c p_c (∂ log p_c / ∂θ)². This is the
      Fisher information itself, without chance, and takes C backward passes.
    - "data": the labels of the data, from batches (x, y, ...) with the class indices y [B]; one
      backward pass. This is the empirical Fisher, which most
      implementations of EWC use. It is another quantity, and vanishes where the model fits the data:
      Kunstner, Balles and Hennig, "Limitations of the empirical Fisher approximation for natural
      gradient descent", NeurIPS 2019.

    The square is taken per sample: the square of a batch's mean gradient, which other libraries use,
    is smaller by about the batch size. The result depends neither on the batch size nor on the order
    of the samples, except that the order decides which labels are drawn. They are drawn with torch's
    random numbers, whose state is afterwards as it was.

    Everything else is as for `global_importance`, and so are the other arguments and the errors.

    Returns:
        Ω by parameter name, in the parameters' shapes, on their devices, float32 or wider.

    Raises:
        TypeError: the data have no labels, and these are to be used.
    """
    check_option("labels", labels, ("drawn", "expected", "data"))

    def begin(network: Network, totals: Totals) -> Pass:
        return Likelihood(network, totals, max_bytes, labels)

    measure = Measure("likelihood", labels=labels)
    return mean_over_batches(
        model, batches, measure, begin, start, forward, parameters, max_bytes, progress, group
    )
