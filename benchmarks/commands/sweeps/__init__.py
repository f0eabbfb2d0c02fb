"""Runs started by the agent of a W&B sweep; docs/tracking.md explains the sweep files in this folder.

The agent runs the command line in the sweep file with the parameters' values, and names the W&B run
in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SWEEP_ID, RUN_ID = "WANDB_SWEEP_ID", "WANDB_RUN_ID"


def output_of_run(output: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder for the run folders, which in a sweep is one folder per W&B run.

    Otherwise two runs of a sweep could share a run folder, as its name has not every parameter.
    """
    sweep, run = environment.get(SWEEP_ID), environment.get(RUN_ID)
    return output / f"sweep-{sweep}" / run if sweep and run else output


def refuse_several(runs: int, environment: Mapping[str, str]) -> None:
    """Refuse to log several runs as the one W&B run that the environment names.

    Raises:
        ValueError: The environment names one run, and there are several.
    """
    run = environment.get(RUN_ID)
    if run and runs > 1:
        raise ValueError(
            f"{RUN_ID}={run} names one run of W&B, but this command asks for {runs} runs; unset it, "
            "or, in a sweep, give the command one method, strength, sequence and seed"
        )
