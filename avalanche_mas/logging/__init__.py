"""Loggers for Avalanche's metrics: to current W&B, to TensorBoard, and to one table of all numbers."""

import lazy_loader

# Only the logger to Weights & Biases needs wandb.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
