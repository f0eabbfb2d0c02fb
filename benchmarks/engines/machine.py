"""How runs share this machine's processors, and environment variables for a Ray cluster on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray then listens on the loopback interface only. Despite its name, Ray reads this variable on
    # every system, when it is imported.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def shared_out(runs: int, jobs: int | None, threads: int | None) -> tuple[int, int]:
    """Return how many runs go at a time on this machine, and the threads of each.

    Args:
        runs: The number of runs.
        jobs: How many are to go at a time; `None` for as many as there are processors.
        threads: The threads of each; `None` for OMP_NUM_THREADS, or an equal share of the processors.
    """
    at_a_time = jobs or min(cores(), runs)
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    usual = int(named) if named.isdecimal() else 0
    return at_a_time, threads or usual or max(1, cores() // at_a_time)


def cores() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
