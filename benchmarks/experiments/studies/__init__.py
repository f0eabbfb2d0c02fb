"""What the runs of some experiments do besides training; they need PyTorch, so a run loads them."""
