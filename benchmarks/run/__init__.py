"""One run: (experiment, method, seed) → a run folder."""
