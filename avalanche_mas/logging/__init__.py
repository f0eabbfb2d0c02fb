"""Loggers for Avalanche's metrics: to current W&B, to TensorBoard, and to one table of all numbers."""

from avalanche_mas.logging.history import run_files, run_history
from avalanche_mas.logging.names import section_name
from avalanche_mas.logging.table import TableLogger
from avalanche_mas.logging.tensorboard_logger import TensorboardLogger
from avalanche_mas.logging.wandb_logger import WandBLogger

__all__ = [
    "TableLogger",
    "TensorboardLogger",
    "WandBLogger",
    "run_files",
    "run_history",
    "section_name",
]


def __dir__() -> list[str]:
    return __all__
