"""Run folders as the runner leaves them, without running anything."""

import json
from pathlib import Path

import numpy as np

TASKS = ["flowers", "birds", "svhn"]


def lower_triangle(seed, tasks=3):
    values = np.random.default_rng(seed).uniform(0.1, 0.9, (tasks, tasks))
    return np.where(np.tri(tasks, dtype=bool), values, np.nan)


def joint(*accuracies):
    matrix = np.full((len(accuracies),) * 2, np.nan)
    matrix[-1] = accuracies
    return matrix


def nullable(matrix):
    return [
        [None if np.isnan(value) else value for value in row] for row in np.array(matrix, float)
    ]


def write_run(root, method, seed=0, *, matrix=None, result=None, **config):
    """Write a run folder as the runner does, and return it."""
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
    varying = ("importance_on", "strength_share", "choose")
    variant = [str(config[key]) for key in varying if key in config]
    variant += [str(config["strength"])] if config.get("strength_grid") else []
    sequence = "-".join(task if task.isalnum() else "task" for task in tasks)
    folder = Path(root).joinpath(config["experiment"], sequence, method, *variant, f"seed{seed}")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "versions.json").write_text(json.dumps({"python": "3.11.7", "torch": "2.15.0"}))
    return folder


def write_omega(folder, layers=("body.0", "body.2", "head"), tasks=3, seed=0):
    """Write what a run records of Ω by layer, and return it."""
    generator = np.random.default_rng(seed)
    quantiles = dict.fromkeys(("q05", "q50", "q95", "q99", "maximum"))
    recorded = []
    for _ in range(tasks):
        shares = generator.dirichlet(np.ones(len(layers)))
        recorded.append(
            [
                {
                    "layer": layer,
                    "entries": 10 * (k + 1),
                    "mean": share,
                    "share": share,
                    **quantiles,
                }
                for k, (layer, share) in enumerate(zip(layers, shares, strict=True))
            ]
        )
    (folder / "omega.json").write_text(json.dumps({"layers": recorded}))
    return recorded


def memory(tasks=3, stored=2.0):
    """Return what a run records of memory after each task."""
    sizes = {
        "network": [5.0 + k for k in range(tasks)],
        "stored": [stored * k for k in range(tasks)],
    }
    return {"memory_mb": sizes}


HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>&amp;\"'"


def write_everything(root):
    """Write runs of every kind, with text in them that a page must escape."""
    methods = ["fine-tuning", "si", "si-repaired", "lwf", "lwf-repaired", "ebll", "imm-mean"]
    methods += ["imm-mode", "ewc", "ewc-repaired", "mas", "l-mas"]
    for k, method in enumerate(methods):
        for seed in range(3):
            matrix, strength = lower_triangle(100 * k + seed), None if k == 0 else 10.0**k
            config = {"strength": strength, "root_note": HOSTILE, "stand_ins": ["birds"]}
            result = memory(stored=0.5 * k) | {"stand_ins": ["birds"]}
            folder = write_run(root, method, seed, matrix=matrix, result=result, **config)
            if method in ("mas", "l-mas"):
                write_omega(folder, seed=seed)
    write_run(root, "joint", matrix=joint(0.9, 0.9, 0.9), root_note=HOSTILE, stand_ins=["birds"])
    for method in ("mas", "ewc"):
        for strength in (0.1, 1.0, 10.0):
            grid = {"strength": strength, "strength_grid": True, "stand_ins": ["birds"]}
            write_run(root, method, matrix=lower_triangle(int(strength)), root_note=HOSTILE, **grid)
    for tasks in (["birds", "cars"], ["cars", "birds"], ["birds", "svhn"]):
        for method in ("fine-tuning", "mas"):
            write_run(root, method, experiment="two-tasks", tasks=tasks)
    for tasks in (["birds", "cars", "svhn"], ["svhn", "cars", "birds"]):
        for method in ("fine-tuning", "mas"):
            write_run(root, method, experiment="orders", tasks=tasks)
    write_run(root, "mas", tasks=[HOSTILE, "birds"], experiment="other", model=HOSTILE)
    failed = write_run(root, "mas", 7)
    (failed / "result.json").unlink()
    (failed / "error.log").write_text(f"Traceback\nValueError: {HOSTILE}\n")


def rows_of(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def write_data_run(root, method, on, *, tasks=("birds", "cars"), seed=0, first=0.5, **config):
    """A run that knew the first task to 60 %, and the second to 40 %."""
    if on is not None:
        config |= {"importance_on": on, "strength": config.get("strength", 0.1)}
        config["strength_from"] = "tuning of two-tasks on validation data"
    matrix = [[0.6, None], [first, 0.4]]
    return write_run(
        root, method, seed, matrix=matrix, experiment="importance-data", tasks=list(tasks), **config
    )
