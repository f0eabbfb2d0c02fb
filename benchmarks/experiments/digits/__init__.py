"""Streams of grey digits: MNIST, part of it, or digits drawn by code."""

from benchmarks.experiments.digits.mnist import fetch_mnist
from benchmarks.experiments.digits.streams import digit_pairs, permuted_digits

__all__ = ["digit_pairs", "fetch_mnist", "permuted_digits"]
