"""How a task is trained: the network, its strategy, schedule, precision and validation."""
