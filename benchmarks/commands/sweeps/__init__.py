"""Runs that the agent of a W&B sweep starts: its files are here, its docs in docs/tracking.md.

The agent runs the command line that stands in the sweep file, with the values that it was given for
the parameters, and says in the environment which W&B run that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SWEEP_ID, RUN_ID = "WANDB_SWEEP_ID", "WANDB_RUN_ID"


def output_of_run(output: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder for the run folders: in a sweep one for each of its runs.

    Run folders are told apart by what is compared, which not all parameters of a sweep are.

    Args:
        output: What the command line says.
        environment: The environment variables.
    """
    sweep, run = environment.get(SWEEP_ID), environment.get(RUN_ID)
    return output / f"sweep-{sweep}" / run if sweep and run else output


def refuse_several(runs: int, environment: Mapping[str, str]) -> None:
    """Refuse to log several runs as the one that the environment names.

    Args:
        runs: How many runs there are to do.
        environment: The environment variables.

    Raises:
        ValueError: There are several, and it does name one.
    """
    run = environment.get(RUN_ID)
    if run and runs > 1:
        raise ValueError(
            f"{RUN_ID}={run} names one run of W&B, but this command line asks for {runs}; unset it, "
            "or, in a sweep, let the command have one method, strength, sequence and seed"
        )
