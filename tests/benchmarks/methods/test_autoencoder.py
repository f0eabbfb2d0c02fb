"""The autoencoder of EBLL."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.methods._autoencoder import (
    RECONSTRUCTION_WEIGHT,
    Autoencoder,
    Encoder,
    autoencoder_loss,
    train_autoencoder,
)


def drawn(samples: int = 800) -> tuple[Tensor, Tensor, nn.Linear]:
    """Return features [N, 16] mostly in two directions, and labels drawn from a head's probabilities."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(samples, 2, generator=generator)
    features = hidden @ torch.randn(2, 16, generator=generator)
    features += 0.05 * torch.randn(features.shape, generator=generator) + 3
    linear = nn.Linear(16, 3).requires_grad_(False)
    linear.weight.copy_(torch.randn(3, 16, generator=generator) / 2)
    linear.bias.copy_(-3 * linear.weight.sum(1))
    labels = torch.multinomial(linear(features).softmax(1), 1, generator=generator)[:, 0]
    return features, labels, linear


def test_an_autoencoder_learns_its_features_and_its_task() -> None:
    torch.manual_seed(0)
    features, labels, linear = drawn()
    autoencoder = train_autoencoder(features, labels, linear, 6, 32)
    assert autoencoder.encoder(features).shape == (800, 6)
    assert autoencoder.error(features) < 0.1  # 1 for the mean of the features
    untrained = Autoencoder(Encoder(features.mean(0), features.std(0), 6))
    assert untrained.error(features) > 0.9
    told = linear(features).argmax(1) == linear(autoencoder(features)).argmax(1)
    assert told.double().mean() > 0.9
    assert not any(p.requires_grad or p.grad is not None for p in autoencoder.parameters())


def test_the_autoencoder_loss_is_what_is_written_by_hand() -> None:
    torch.manual_seed(0)
    features, labels, linear = drawn(5)
    autoencoder = Autoencoder(Encoder(features.mean(0), features.std(0), 4)).double()
    features, linear = features.double(), linear.double()
    found = autoencoder_loss(autoencoder, features, labels, linear).item()
    mean, deviation = autoencoder.encoder.mean, autoencoder.encoder.deviation
    inner, outer = autoencoder.encoder.linear, autoencoder.decoder
    total = 0.0
    for k in range(5):
        standard = (features[k] - mean) / deviation
        code = 1 / (1 + torch.exp(-(inner.weight @ standard + inner.bias)))
        decoded = outer.weight @ code + outer.bias
        outputs = linear.weight @ (mean + deviation * decoded) + linear.bias
        total += (outputs.exp().sum().log() - outputs[labels[k]]).item()
        total += RECONSTRUCTION_WEIGHT * ((decoded - standard) ** 2).mean().item()
    assert found == pytest.approx(total / 5, rel=1e-12)


def test_features_that_do_not_vary_are_not_scaled() -> None:
    features, labels, linear = drawn(20)
    features[:, 3] = 7.0
    autoencoder = train_autoencoder(features, labels, linear, 4, 32)
    assert autoencoder.encoder.deviation[3] == 1
    assert all(torch.isfinite(value).all() for value in autoencoder.state_dict().values())


def test_features_that_are_not_finite_are_refused() -> None:
    features, labels, linear = drawn(20)
    features[3, 3] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinite.*lower learning rate"):
        train_autoencoder(features, labels, linear, 4, 32)
