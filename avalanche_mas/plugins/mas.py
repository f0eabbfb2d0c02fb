"""MAS and l-MAS as Avalanche plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

from avalanche_mas.importance import Importance, Measure, global_importance, local_importance
from avalanche_mas.options import check_option
from avalanche_mas.plugins.base import ImportancePlugin
from avalanche_mas.plugins.configuration import shows_plain_types


@shows_plain_types
@dataclass(eq=False, repr=False, kw_only=True)
class MASPlugin(ImportancePlugin):
    """Memory Aware Synapses (Aljundi et al., ECCV 2018) in any supervised Avalanche strategy.

    After each task, Ω_n is measured on the task's own data and added to Ω, and the parameters
    become θ*. From the second task on, λ Σ Ω (θ − θ*)² is part of what is minimised (squared
    norm, no ½; see `avalanche_mas.importance` and `avalanche_mas.penalty`). Avalanche's own
    `MASPlugin` blends with alpha=0.5 where this one sums, and measures a smaller Ω
    (granularity="batch"): a λ tuned for one does not suit the other. Importance needs no
    labels; it is measured with the eval transforms, the model in eval mode, through the
    dataset's own collate function, and does not depend on the batch size. `update_importance`
    adds further data at any time between tasks, and before the first.

    What a task is: a training experience, or in `JointTraining` all that are trained together.
    Training again on the same data, with no other in between, continues the same task: the
    penalty is that of the earlier tasks, and a new Ω_n replaces the old one. In online
    streams whose boundaries are accessible, a task is the experience that was split; Ω_n is
    measured once, at its end and on all of its data. Where the boundaries are not accessible, every
    piece counts as a task. Where another plugin changes the weights at the end of a task after this
    one (averaging, going back to the best), Ω_n and θ* are those of the final weights.

    What is held: every parameter that requires a gradient, except those that match `exclude` and
    the heads of other tasks: a head `classifiers.<t>` of a `MultiHeadClassifier` takes part only
    while experiences with the task label t are trained. So a head that all tasks share is held,
    as is the old part of a classifier that grows; units that are masked out or padded take no
    part. Per-task parts of models of your own need an `exclude` pattern. What acts in training
    only, such as an auxiliary classifier, has Ω = 0.

    The penalty is added to the gradients once per optimizer step, just before it: after clipping in
    any hook, once however many backward passes are accumulated, and to unscaled gradients where a
    `GradScaler` is in use. With h = 2 λ Ω and the learning rate η of each parameter:

    - `penalty="damped"`: p.grad ← (p.grad + h (θ − θ*)) / (1 + η h), the implicit step on the
      penalty: the same minimum as the plain form, and stable at any strength. There can be one such
      plugin in a strategy; others beside it need "loss".
    - `penalty="gradient"`: p.grad ← p.grad + h (θ − θ*). Training explodes where η h passes 2, or
      2 (1 + μ) with momentum μ, for a single entry; with SGD, a warning says so when a task begins.
    - `penalty="loss"`: λ Σ Ω (θ − θ*)² is added to `strategy.loss` before the backward pass; the
      same training as "gradient", many times slower, and clipped together with the task's gradient.
      For LBFGS with a line search, and optimizers that are no `torch.optim.Optimizer`. Refused where
      gradients are accumulated.

    Training stops at a step whose loss or gradient is not finite, before the parameters are changed.

    Processes that train together, as with `DistributedDataParallel`, share the measurement: the batches
    of a data set are dealt out to them, and all have the same Ω, to the bit, and θ*. Each needs the same
    plugins, options and metrics. An error in one is raised in all.

    Args:
        lambda_reg: the strength λ.
        alpha: the share of the tasks before in a running blend α Ω + (1 − α) Ω_n.
        verbose: whether to show a progress bar while importance is measured.
        accumulation: how the importances of the tasks are put together: "sum", "blend", "mean",
            "max" or "replace", see `QuadraticPenalty`. None: "blend" where alpha is given, else
            the sum (the paper); Avalanche's own `MASPlugin` has alpha=0.5.
        importance_dtype: None, or torch.bfloat16 to keep Ω in half the memory, see
            `QuadraticPenalty`.
        importance_on: the part of a task's data that Ω_n is measured on: "train"; "valid" or
            "test", the experience of the same number in the benchmark's stream of that name; or
            "train+test", one mean over the samples of both.
        benchmark: the benchmark with these streams. None: the training stream's own, which most
            Avalanche streams lack.
        output: "l2", or "vector": for each parameter the norm of its gradients over all outputs,
            at the cost of as many backward passes, see `global_importance`.
        granularity: "sample", or "batch" for the absolute value after the sum over each batch, as
            in other libraries; Ω then does depend on the batch size, see `global_importance`.
        forward: maps (model, batch) to the output that counts, [B, D], for models that give a
            dictionary, a dataclass or a tuple. The batch is what the model is given: the inputs, a
            tensor or a mapping of tensors, or for a multi-task model the tuple (inputs, task labels
            [B]); targets are not in it. None: what the model gives, called with a mapping as its
            keyword arguments. The strategy's own `forward`, if it overrides it, is not called: where
            that passes the model anything else, pass it here, too.
        exclude: a pattern (as of `fnmatch`) of names of parameters to leave out, or several. It may
            be set between tasks, for a layer that was replaced: where a parameter is gone or no
            longer fits, its Ω and θ* are then forgotten at the end of the task. Data parallelism
            and `torch.compile`, applied or removed at any time, change no name.
        on_change: what to do where a task begins with parameters that are not where the last one
            ended, such as a layer that was replaced by hand: "warn"; "raise" a ValueError; or
            "anchor", to take them as they are as θ* and keep Ω.
        batch_size: samples per batch for measuring; None: the strategy's `train_mb_size`.
        num_workers: worker processes for loading the data to measure on.
        penalty: how the penalty is applied, "damped", "gradient" or "loss".

    Attributes:
        quadratic_penalty: the penalty that is applied, a `QuadraticPenalty`.
        importance_seconds: how long the last measurement took; NaN before the first.
        importance_bytes: how much the last measurement raised the peak of memory: 0 where it needed
            no more than what came before. NaN before the first, and where the system does not say.

    Raises:
        ValueError: a value is out of its range, or alpha is given where it has no effect.
        FloatingPointError: in training, the loss or a gradient is not finite.
        TypeError: a number is something else, or a subclass overrides `_get_importance`, which only
            Avalanche's own plugin calls.
        LostProcessError: in training, another process has ended, or does not answer.
    """

    output: Literal["l2", "vector"] = "l2"
    granularity: Literal["sample", "batch"] = "sample"

    def __post_init__(
        self, lambda_reg: float, alpha: float | None, accumulation: str | None
    ) -> None:
        super().__post_init__(lambda_reg, alpha, accumulation)
        check_option("output", self.output, ("l2", "vector"))
        check_option("granularity", self.granularity, ("sample", "batch"))
        if alpha is None and accumulation is None:
            _note_the_sum()

    @property
    def measure(self) -> Measure:
        """What is measured, as in `Importance.measure`."""
        return Measure(self.output, self.granularity)

    @property
    def _estimator(self) -> Callable[..., Importance]:
        return partial(global_importance, output=self.output, granularity=self.granularity)


class LocalMASPlugin(ImportancePlugin):
    """l-MAS, the local form of Memory Aware Synapses, in any supervised Avalanche strategy.

    As `MASPlugin`, with the same arguments except output= and granularity=, but Ω_n
    is how sensitive each layer's own output is to the layer's parameters (for a fully connected
    layer with ReLU, the Hebbian product of its two activations), so that no backward pass across
    the network is needed. What a layer is, see `avalanche_mas.importance.local_importance`;
    `avalanche_mas.importance.stretches` lists them. A network whose layers cannot be told
    apart is refused before it is trained.
    """

    @property
    def measure(self) -> Measure:
        """What is measured, as in `Importance.measure`."""
        return Measure("local")

    @property
    def _estimator(self) -> Callable[..., Importance]:
        return local_importance


@cache
def _note_the_sum() -> None:
    """Log once per process that the default differs from that of Avalanche's own plugin."""
    logging.getLogger(__name__).warning(
        "MASPlugin sums the importances of tasks, as the paper does; Avalanche's own MASPlugin "
        "blends them with alpha=0.5. Nothing is wrong; accumulation='sum' or alpha=0.5 says which is "
        "meant, and ends this note."
    )
