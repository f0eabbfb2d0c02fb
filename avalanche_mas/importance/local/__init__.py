"""The local form (l-MAS): which operations make up each layer, and what its own output says."""
