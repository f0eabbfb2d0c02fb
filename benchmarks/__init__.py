"""The evidence: what the method is compared with. Run from a clone as `python -m benchmarks`."""
