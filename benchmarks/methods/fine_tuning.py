"""Fine-tuning: train one task after the other and do nothing about forgetting."""

from __future__ import annotations

from benchmarks.methods.method import Look, Method

METHOD = Method(
    name="fine-tuning",
    title="Fine-tuning",
    source="The lower bound of the comparison: Avalanche's Naive strategy.",
    make_plugins=lambda _: [],
    place=0,
    look=Look("#8c8c8c", "s"),
)
