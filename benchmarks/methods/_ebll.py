"""Encoder Based Lifelong Learning as an Avalanche plugin."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from avalanche.core import SupervisedPlugin
from avalanche.models.dynamic_modules import MultiHeadClassifier
from torch import Tensor, nn

from avalanche_mas.importance import evaluation, untouched_randomness
from avalanche_mas.plugins import (
    TaskOutput,
    batches_of,
    ends_task,
    starts_task,
    task_data,
    task_labels_of,
)
from benchmarks.methods._autoencoder import CODE_SIZE, Encoder, train_autoencoder

TEMPERATURE = 2.0
"""Of the distillation: T = 2 in Li and Hoiem, ECCV 2016, on which EBLL builds."""


class EBLLPlugin(SupervisedPlugin):
    """Encoder Based Lifelong Learning (Rannen Triki et al., ICCV 2017, arXiv 1704.01920).

    With f the network's features, f* those of the frozen network before this task, and h_t, h*_t
    the outputs of an old head t on them, the loss is

        L + λ Σ_t KL(softmax(h*_t / T) ‖ softmax(h_t / T)) + (α/2) Σ_k ‖c_k(f*) − c_k(f)‖²

    over the old heads t and the old tasks k: mean over the batch, sum over the units of the code.
    The first two terms are Learning without Forgetting, T = 2, without a factor T²; only the classes
    that a head has seen take part. The code c_k = σ(W_k f̂ + b_k) is that of task k's undercomplete
    autoencoder, trained on the features at the end of the task with the task's batch size; see
    `train_autoencoder`. The old outputs and codes are not recorded before training: the frozen
    network, in eval mode, computes them on the images of each batch.

    The paper's warm-up, which first trains a new head alone, is left out: every method here trains
    a task in the same way. Each step runs the network's features once more in training mode, as
    Avalanche's LwF does, so dropout draws again.

    The model must be its `classifier` on its `features(x)`, [B, D]. The classifier is a
    `MultiHeadClassifier` with a head per task label, or a single head, which may grow.

    Stored are a copy of the network and an encoder per task: D + 1 weights for each unit of the
    code, and the mean and deviation of each feature. A task is a training experience, or all pieces
    of one in an online stream whose boundaries are accessible.

    Args:
        lambda_reg: The weight λ of the distillation, finite and not negative.
        alpha: The weight α of the codes, likewise.
        code_size: Units of each code, fewer than there are features.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self, lambda_reg: float = 1.0, alpha: float = 0.1, code_size: int = CODE_SIZE
    ) -> None:
        super().__init__()
        for name, value in (("lambda_reg", lambda_reg), ("alpha", alpha)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, got {value}")
        if code_size < 1:
            raise ValueError(f"code_size must be positive, got {code_size}")
        self.lambda_reg, self.alpha, self.code_size = float(lambda_reg), float(alpha), code_size
        self.teacher: nn.Module | None = None
        self.encoders: list[Encoder] = []
        self._classes: dict[int | None, list[int]] = {}  # seen by each head, by task label
        self._pieces = 0  # of the current task begun so far

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Begin or continue a task.

        Raises:
            ValueError: The experience has several task labels, the model is not a classifier on
                features, or it has no more features than a code has units.
        """
        experience = strategy.experience
        _label(experience)
        features = _check_model(strategy, task_data(experience).subset([0]))
        if features <= self.code_size:
            raise ValueError(
                f"an undercomplete autoencoder of the model's {features} features needs a code of "
                f"fewer units, and code_size is {self.code_size}; lower code_size"
            )
        for module in (*self.encoders, *([self.teacher] if self.teacher else [])):
            module.to(strategy.device)
        self._pieces = 1 if starts_task(experience) else self._pieces + 1

    def state_dict(self) -> dict[str, Any]:
        """Return what was learned, for `avalanche_mas.checkpoint`."""
        return {
            "teacher": self.teacher,
            "encoders": [encoder.state_dict() for encoder in self.encoders],
            "classes": self._classes,
            "pieces": self._pieces,
            "weights": [self.lambda_reg, self.alpha],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.teacher, self._classes, self._pieces = (
            state["teacher"],
            state["classes"],
            state["pieces"],
        )
        self.encoders = [_encoder_of(tensors) for tensors in state["encoders"]]
        self.lambda_reg, self.alpha = state["weights"]

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the distillation and the code loss to the loss."""
        if self.teacher is None or not (self.lambda_reg or self.alpha):
            return
        features = strategy.model.features(strategy.mb_x)
        with torch.no_grad():
            before = self.teacher.features(strategy.mb_x)  # type: ignore[operator]
        for label, classes in self._classes.items():
            with torch.no_grad():
                target = head_output(self.teacher, before, label)[:, classes]
            output = head_output(strategy.model, features, label)[:, classes]
            strategy.loss = strategy.loss + self.lambda_reg * distillation(output, target)
        for encoder in self.encoders:
            codes = code_loss(encoder, features, before)
            strategy.loss = strategy.loss + self.alpha / 2 * codes

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Train the autoencoder and freeze a copy of the network at the end of a task.

        Raises:
            ValueError: The features are not finite.
        """
        experience, model = strategy.experience, strategy.model
        if not ends_task(experience, self._pieces):
            return
        label = _label(experience)
        with untouched_randomness({strategy.device}), evaluation(model, ()):
            features, labels = _features_of(strategy, task_data(experience))
            autoencoder = train_autoencoder(
                features,
                labels,
                lambda f: head_output(model, f, label),
                self.code_size,
                strategy.train_mb_size,
            )
        self.encoders.append(autoencoder.encoder)
        self.teacher = copy.deepcopy(model).eval().requires_grad_(False)
        self._classes[label] = sorted({*self._classes.get(label, ()), *labels.tolist()})
        self._pieces = 0


def _encoder_of(tensors: dict[str, Tensor]) -> Encoder:
    encoder = Encoder(tensors["mean"], tensors["deviation"], len(tensors["linear.bias"]))
    encoder.load_state_dict(tensors)
    return encoder.requires_grad_(False)


def distillation(output: Tensor, target: Tensor) -> Tensor:
    """Return KL(softmax(target / T) ‖ softmax(output / T)), [B, C] each, the mean over the batch."""
    return F.kl_div(
        F.log_softmax(output / TEMPERATURE, dim=1),
        F.log_softmax(target / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def code_loss(encoder: Encoder, features: Tensor, before: Tensor) -> Tensor:
    """Return ‖c(f*) − c(f)‖² of features f and f*, [B, D] each: sum over units, mean over batch."""
    loss: Tensor = (encoder(features) - encoder(before)).square().sum(1).mean()
    return loss


def head_output(model: nn.Module, features: Tensor, label: int | None) -> Tensor:
    """Return the outputs [B, C] of the head for a task label on features [B, D]."""
    classifier: Callable[..., Tensor] = model.classifier  # type: ignore[assignment]
    if isinstance(classifier, MultiHeadClassifier):
        output: Tensor = classifier.forward_single_task(features, label)
        return output
    return classifier(features)


def _label(experience: Any) -> int | None:
    labels = task_labels_of(experience)
    if labels is not None and len(labels) != 1:
        raise ValueError(
            f"EBLL trains an autoencoder through one head, and this experience has the task labels "
            f"{list(labels)}; use one task label per experience"
        )
    return None if labels is None else labels[0]


def _features_of(strategy: Any, data: Any) -> tuple[Tensor, Tensor]:
    """Return the features [N, D] and labels [N] of a data set under eval transforms."""
    features, labels = [], []
    with torch.no_grad():
        for x, y, *_ in batches_of(data, strategy.eval_mb_size, num_workers=0):
            features.append(strategy.model.features(x.to(strategy.device)))
            labels.append(y.to(strategy.device))
    return torch.cat(features), torch.cat(labels)


def _check_model(strategy: Any, sample: Any) -> int:
    """Check on one sample that the model is its classifier on its features; return D."""
    model, wanted = strategy.model, "EBLL needs a model whose output is classifier(features(x))"
    for name in ("features", "classifier"):
        if not callable(getattr(model, name, None)):
            raise ValueError(f"{wanted}; {type(model).__name__} has no {name}")
    label = _label(strategy.experience)
    forward = TaskOutput(sample, strategy.device, None if label is None else (label,))
    with untouched_randomness({strategy.device}), evaluation(model, ()), torch.no_grad():
        (batch,) = batches_of(sample, 1, num_workers=0)
        expected = forward(model, batch)
        try:
            features, _ = _features_of(strategy, sample)
            output = head_output(model, features, label)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{wanted}; on {type(model).__name__} that fails: {error}") from error
    if output.shape != expected.shape or not torch.allclose(output, expected, rtol=1e-3, atol=1e-4):
        raise ValueError(
            f"{wanted}; on one sample, {type(model).__name__} gives a different output"
        )
    return features.shape[1]
