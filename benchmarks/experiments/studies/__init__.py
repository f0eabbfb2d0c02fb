"""What the runs of some experiments do beside training; loaded with the run, as they need PyTorch."""
