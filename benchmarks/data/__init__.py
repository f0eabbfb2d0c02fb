"""`python -m benchmarks data`: the eight data sets, listed, fetched, checked and shown."""

from benchmarks.data.command import main

__all__ = ["main"]
