"""Run folders, written by runs and read by reports, without PyTorch."""
