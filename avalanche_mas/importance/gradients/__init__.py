"""Σ_k |per-sample gradient| of one layer, without holding the per-sample gradients."""
