"""The choice of the engine that executes runs."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError

from benchmarks.commands.options import Options
from benchmarks.commands.parser import cluster
from benchmarks.engines import Engine
from benchmarks.engines.machine import PRIVATE, environment, shared_out

_OF_RAY = ("address", "gpus")
"""Options that only Ray uses."""


def choose_engine(options: Options, runs: int) -> Engine:
    """Return the engine that a command line asks for.

    Raises:
        ValueError: Ray is not installed, there is no GPU, an option would have no effect, or
            `RAY_ADDRESS` is not an address that a command can use.
    """
    if options.engine == "ray":
        return _ray(options, runs)
    for name in _OF_RAY:
        if getattr(options, name) != getattr(Options, name):
            raise ValueError(f"--{name} has no effect here; add --engine ray, or leave it out")
    from benchmarks.engines.local import LocalEngine, check_device

    check_device(options.device)
    return LocalEngine(*shared_out(runs, options.jobs, options.threads))


def _ray(options: Options, runs: int) -> Engine:
    if options.gpus and options.device == "cpu":
        raise ValueError(
            f"--gpus {options.gpus:g} would set GPUs aside that --device cpu does not use; add "
            "--device cuda, or leave it out"
        )
    address = _address(options)
    try:
        with environment({} if address else PRIVATE):
            from benchmarks.engines.ray import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ValueError(
            "--engine ray needs Ray, which is not installed; install it in the clone with "
            "pip install -c constraints.txt -e '.[ray]', on every node of the cluster"
        ) from error
    return RayEngine(options.jobs or runs, options.threads or 1, options.gpus, address)


def _address(options: Options) -> str | None:
    """Return the address of the cluster; `None` to start one."""
    named = os.environ.get("RAY_ADDRESS")
    if options.address or not named:
        return options.address
    try:
        return cluster(named)
    except ArgumentTypeError as error:
        raise ValueError(f"RAY_ADDRESS: {error}") from error
