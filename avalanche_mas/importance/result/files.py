"""Tensors and their description in one file."""

from avalanche_mas.tensor_files import read_tensors as load_tensors
from avalanche_mas.tensor_files import write_tensors as save_tensors

__all__ = ["load_tensors", "save_tensors"]
