"""A small convolutional network and seven inputs to it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def network(**norm: Any) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, **norm),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 9, 3),
    ).double()


X = torch.randn(7, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
