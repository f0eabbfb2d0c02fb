"""Grey digits of 28 pixels and the streams made of them: MNIST, a part of it, or drawn by code."""

from benchmarks.experiments.digits.streams import digit_pairs, permuted_digits

__all__ = ["digit_pairs", "permuted_digits"]
