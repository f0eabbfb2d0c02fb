"""Σ_k |g_k| of a weight on a GPU, without a per-sample gradient ever written to memory.

Each program owns a tile of the weight and keeps two copies of it in registers: the gradient of the
sample at hand, and the sum of the magnitudes so far. What goes through memory is the layer's input, the
gradient at its output, and the sum.

`launch` and `plans` need PyTorch alone. The other modules need Triton, which comes with PyTorch on Linux,
and are imported when a kernel is launched.
"""
