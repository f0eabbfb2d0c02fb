"""The undercomplete autoencoder of EBLL, which finds the features that a task depends on."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CODE_SIZE = 100
"""Units of the code, as in the authors' (cnn_autoencoder_with_classerror.m, code_size)."""

EPOCHS = 50
"""Passes over the features, as in the EBLL code of De Lange et al., TPAMI 2021."""

LEARNING_RATE = 1.0
"""The rate of Adadelta, the authors' optimizer, whose published rule has none (Zeiler 2012, arXiv
1212.5701). The authors' 0.01 needs far longer training: in 50 epochs on a few hundred images of a
drawn task it learned nothing."""

RECONSTRUCTION_WEIGHT = 1.0
"""λ of the reconstruction error. It depends on the features' units and number: the authors' 10⁻⁶ is
for the squared norm of 9216 raw features, the 0.1 and 0.01 of De Lange et al. for the mean over
them. For the mean in standardised units, 1 reconstructs more than 0.1, and no fewer samples are
classified correctly from their reconstruction (drawn task)."""


class Encoder(nn.Module):
    """The code σ(W (f − μ) / s + b) of features f; the deviation s [D] is not zero."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, code_size: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.linear = nn.Linear(len(mean), code_size).to(mean)

    def forward(self, features: Tensor) -> Tensor:
        """Return the codes [B, C] of features [B, D]."""
        return torch.sigmoid(self.linear((features - self.mean) / self.deviation))


class Autoencoder(nn.Module):
    """Features reconstructed from their code: r(f) = μ + s (W' c(f) + b')."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        code_size, features = encoder.linear.weight.shape
        self.decoder = nn.Linear(code_size, features).to(encoder.linear.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return the reconstruction [B, D] of features [B, D]."""
        standardised: Tensor = self.decoder(self.encoder(features))
        return self.encoder.mean + self.encoder.deviation * standardised

    def error(self, features: Tensor) -> Tensor:
        """Return the mean over samples and features of ((r(f) − f) / s)², which is 1 for r(f) = μ."""
        difference: Tensor = self(features) - features
        return (difference / self.encoder.deviation).square().mean()


def train_autoencoder(
    features: Tensor,
    labels: Tensor,
    head: Callable[[Tensor], Tensor],
    code_size: int,
    batch_size: int,
) -> Autoencoder:
    """Train an autoencoder of a task's features and freeze it.

    The loss is the cross entropy of the head on reconstructed features, the mean over the batch,
    plus λ times the mean squared error in standardised units: Rannen Triki et al., ICCV 2017,
    section 3, where the task operator after the features is fixed. A constant feature is not scaled.

    The weights and the order of the samples come from torch's global random numbers.

    The features [N, D] are those of the task's training data, and `head` maps them to the
    outputs of the task's head; its parameters get gradients unless they require none. The
    authors' batches of 128 to 5000 samples are for larger data sets.

    Raises:
        ValueError: A feature is not finite.
    """
    if not torch.isfinite(features).all():
        raise ValueError(
            "the model's features have NaN or infinite entries, so no autoencoder of them can be "
            "trained; train with a lower learning rate"
        )
    deviation, mean = torch.std_mean(features, 0, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    autoencoder = Autoencoder(Encoder(mean, deviation, code_size))
    optimizer = torch.optim.Adadelta(autoencoder.parameters(), lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features), device=features.device).split(batch_size):
            optimizer.zero_grad()
            loss = autoencoder_loss(autoencoder, features[rows], labels[rows], head)
            loss.backward()
            optimizer.step()
    optimizer.zero_grad()
    return autoencoder.requires_grad_(False)


def autoencoder_loss(
    autoencoder: Autoencoder, features: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the cross entropy through the head plus λ times the reconstruction's error."""
    task = F.cross_entropy(head(autoencoder(features)), labels)
    return task + RECONSTRUCTION_WEIGHT * autoencoder.error(features)
