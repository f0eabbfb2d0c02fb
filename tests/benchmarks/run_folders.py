"""Run folders as the runner leaves them, without running anything."""

import json
from pathlib import Path

import numpy as np

TASKS = ["flowers", "birds", "svhn"]


def lower_triangle(seed, tasks=3):
    values = np.random.default_rng(seed).uniform(0.1, 0.9, (tasks, tasks))
    return np.where(np.tri(tasks, dtype=bool), values, np.nan)


def nullable(matrix):
    return [
        [None if np.isnan(value) else value for value in row] for row in np.array(matrix, float)
    ]


def write_run(root, method, seed=0, *, matrix=None, result=None, **config):
    """Writes a run folder as the runner does, and returns it."""
    config = {
        "experiment": "eight-tasks",
        "method": method,
        "seed": seed,
        "tasks": TASKS,
        "source": "real",
        "model": "small-cnn",
        "epochs": 8,
        "batch_size": 32,
        "learning_rate": 0.05,
        "image_size": 32,
        "strength": None,
        "evaluated_on": "test",
    } | config
    tasks = config["tasks"]
    if matrix is None:
        matrix = lower_triangle(seed, len(tasks))
    result = {
        "accuracy": nullable(matrix),
        "tasks": tasks,
        "classes": [5] * len(tasks),
        "stand_ins": [],
        "seconds": {"train": [1.0, 2.0], "importance": [0.25, 0.5], "eval": [1.0], "total": 9.0},
        "peak_memory_mb": 500.0,
        "stored_mb": 2.5,
        "finished": "2026-01-01T00:00:00+00:00",
    } | (result or {})
    variant = [str(config[key]) for key in ("importance_on", "strength_share") if key in config]
    sequence = "-".join(tasks)
    folder = Path(root).joinpath(config["experiment"], sequence, method, *variant, f"seed{seed}")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def rows_of(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
