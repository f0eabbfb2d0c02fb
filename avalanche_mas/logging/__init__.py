"""Loggers for Avalanche's metrics: to current Weights & Biases, and to one table of all numbers."""

from avalanche_mas.logging.history import run_files, run_history
from avalanche_mas.logging.table import TableLogger
from avalanche_mas.logging.wandb_logger import WandBLogger

__all__ = ["TableLogger", "WandBLogger", "run_files", "run_history"]


def __dir__() -> list[str]:
    return __all__
