"""What a person types: the commands of `python -m benchmarks`, one file each, and their options."""
