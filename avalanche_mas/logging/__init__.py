"""A Weights & Biases logger for Avalanche that works with today's wandb."""

from avalanche_mas.logging.history import run_files, run_history
from avalanche_mas.logging.wandb_logger import WandBLogger

__all__ = ["WandBLogger", "run_files", "run_history"]
