"""Run folders that several tests of the report read."""

import pytest

from tests.benchmarks.run_folders import joint, lower_triangle, write_data_run, write_run


@pytest.fixture
def three_seeds(tmp_path):
    """MAS and fine-tuning with three seeds each, and joint training."""
    for seed in range(3):
        write_run(tmp_path, "mas", seed, matrix=lower_triangle(seed), strength=0.5)
        write_run(tmp_path, "fine-tuning", seed, matrix=lower_triangle(10 + seed))
        write_run(tmp_path, "joint", seed, matrix=joint(0.9, 0.8, 0.7 + seed / 100))
    return tmp_path


@pytest.fixture
def data_runs(tmp_path):
    """MAS, l-MAS and fine-tuning on two sequences, by the data that importance is measured on."""
    for seed in range(3):
        write_data_run(tmp_path, "fine-tuning", None, seed=seed, first=0.2)
        for on in ("train+test", "test", "train"):
            write_data_run(tmp_path, "mas", on, seed=seed, first=0.5 + seed / 100)
        write_data_run(tmp_path, "l-mas", "train", seed=seed, strength=2.0)
    write_data_run(tmp_path, "mas", "test", tasks=("flowers", "birds"), samples={"flowers": [1]})
    return tmp_path
