"""Avalanche's JointTraining, made a fair upper bound by its batches and heads."""

from __future__ import annotations

from typing import Any

from avalanche.models.utils import avalanche_model_adaptation
from avalanche.training import JointTraining
from torch import nn
from torch.utils.data import DataLoader


class ShuffledJointTraining(JointTraining):
    """Joint training on the shuffled data of all tasks, with every image once per epoch.

    The built-in strategy fills each batch with equal parts of every task and repeats the smaller
    tasks until the largest is used up, which is another budget than the sequence's. It also grows
    every head to the size of the largest.
    """

    def make_train_dataloader(self, shuffle: bool = True, num_workers: int = 0, **_: Any) -> None:
        """Make the loader of batches drawn from all tasks together."""
        self.dataloader = DataLoader(
            self.adapted_dataset,
            batch_size=self.train_mb_size,
            shuffle=shuffle,
            num_workers=num_workers,
            collate_fn=self.adapted_dataset.collate_fn,
        )

    def model_adaptation(self, model: nn.Module | None = None) -> nn.Module:
        """Give every task a head of its own size."""
        model = self.model if model is None else model
        for experience in self._experiences:
            avalanche_model_adaptation(model, experience)
        return model.to(self.device)
