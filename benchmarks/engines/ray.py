"""Runs on a Ray cluster, each in its own process on a node that has room for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmarks.engines.engine import FAILED, LOST, SHARE, News, Work, attempt
from benchmarks.engines.machine import PRIVATE, cores, environment
from benchmarks.engines.nodes import Needs, check_nodes, nodes_with_room
from benchmarks.record.code_version import COPY_OF, code_version
from benchmarks.record.files import ROOT

if TYPE_CHECKING:
    from benchmarks.run.job import Job  # loads PyTorch, which some of Ray's processes do not need

PACKAGES = ("avalanche_mas", "benchmarks")
"""The packages copied to the nodes."""

PATIENCE = 60.0
"""Seconds that stopped runs get to save what they have learned, and to end."""

_MEMORY = 100 * 2**20
"""Bytes of Ray's object store, at least 75 MiB; only jobs pass through it here."""


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster; `None` as its address starts one on this machine for the session.

    Up to `at_a_time` runs are queued. For each, Ray reserves as many processors as it has
    threads, and `gpus` GPUs or the share of one.
    """

    at_a_time: int
    threads: int
    gpus: float = 0.0
    address: str | None = None

    @contextmanager
    def session(self, jobs: Sequence[Job], work: Work) -> Iterator[_Tasks]:
        """Connect, check every node, yield what queues runs, and stop those left at the end.

        Raises:
            ValueError: There is no such cluster, no node has room for a run, or a node lacks files
                or libraries.
            ConnectionError: The cluster is lost later on.
        """
        with _connected(self.address, _code(self.gpus)):
            needs = Needs(self.threads, self.gpus)
            check_nodes(needs, [_absolute(job) for job in jobs])
            tasks = _Tasks(work, needs)
            try:
                yield tasks
            finally:
                tasks.stop()


def _absolute(job: Job) -> Job:
    """Return the job with absolute paths, for another process."""
    paths = {name: getattr(job, name) for name in ("folder", "root", "weights", "code")}
    return replace(job, **{name: path and path.absolute() for name, path in paths.items()})


@contextmanager
def _connected(address: str | None, code: dict[str, Any]) -> Iterator[None]:
    """Connect to the cluster, or to one on this machine that ends with the connection."""
    print(f"connecting to Ray at {address} ..." if address else "starting Ray ...", flush=True)
    own: dict[str, Any] = {
        "num_cpus": cores(),
        "object_store_memory": _MEMORY,
        "include_dashboard": False,
    }
    try:
        with environment({} if address else PRIVATE):
            ray.init(
                address=address or "local",
                runtime_env=code,
                log_to_driver=False,
                logging_level="ERROR",
                **({} if address else own),
            )
    except (RuntimeError, ConnectionError, ValueError) as error:
        raise ValueError(
            f"Ray: {str(error).splitlines()[0]}; start a node of the cluster on this machine with "
            "ray start, or leave out --address and RAY_ADDRESS"
        ) from error
    try:
        yield
    except RayError as error:
        raise ConnectionError(
            f"Ray: {str(error).splitlines()[0]}; start the cluster again if it has ended, then "
            "repeat the same command to continue"
        ) from error
    finally:
        ray.shutdown()


def _code(gpus: float) -> dict[str, Any]:
    """Return the runtime environment of the workers: a copy of this code, and its version."""
    others = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in PACKAGES]
    return {
        "working_dir": str(ROOT),
        "excludes": [*others, "/benchmarks/results", "__pycache__"],
        "env_vars": {
            COPY_OF: json.dumps(code_version()),
            # Ray hides no GPU from a task that asked for none
            **({} if gpus else {"CUDA_VISIBLE_DEVICES": ""}),
        },
    }


class _Mailbox:
    """A mailbox for news of the runs, on the node of the command."""

    def __init__(self) -> None:
        self._letters: list[tuple[int, str, Any]] = []

    def put(self, ticket: int, kind: str, content: Any) -> None:
        self._letters.append((ticket, kind, content))

    def empty(self) -> list[tuple[int, str, Any]]:
        letters, self._letters = self._letters, []
        return letters


class _Tasks:
    """The queued and running runs."""

    def __init__(self, work: Work, needs: Needs) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        lasting = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Mailbox)
        self._mailbox = lasting.options(scheduling_strategy=here).remote()
        self._work, self._needs = work, needs
        self._tickets = count()
        self._running: dict[Any, int] = {}
        self._do = _do.options(
            num_cpus=needs.threads, num_gpus=needs.gpus, scheduling_strategy="SPREAD"
        )

    def start(self, job: Job) -> int:
        """Queue a run."""
        ticket = next(self._tickets)
        self._running[self._do.remote(self._work, _absolute(job), ticket, self._mailbox)] = ticket
        return ticket

    def news(self) -> Iterator[News]:
        """Yield the messages of the runs, then the ends of runs."""
        ended, others = ray.wait([*self._running], num_returns=1, timeout=0.5)
        known = set(self._running.values())
        for ticket, kind, content in ray.get(self._mailbox.empty.remote()):
            if ticket in known:
                yield News(ticket, kind, content)
        for task in ended:
            yield News(self._running.pop(task), *_outcome(task))
        if not ended and not nodes_with_room(self._needs):
            for task in others:
                ray.cancel(task, force=True)
                yield News(self._running.pop(task), FAILED, f"no node is left with {self._needs}")

    def stop(self) -> None:
        """Interrupt all remaining runs, wait for them to save what they have learned, and end them."""
        left = [*self._running]
        for force in (False, True):
            for task in left:  # not of what has ended, on which Ray fails
                ray.cancel(task, force=force)
            if left:
                _, left = ray.wait(left, num_returns=len(left), timeout=PATIENCE)


def _outcome(task: Any) -> tuple[str, str]:
    """Return how a run ended, as it reports itself or as Ray does."""
    try:
        outcome: tuple[str, str] = ray.get(task)
    except (RayTaskError, RuntimeEnvSetupError) as error:
        return FAILED, str(error)
    except RayError as error:
        return LOST, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return outcome


# A new process for each run: its memory is measured, and no run inherits what another left behind.
@ray.remote(max_calls=1, max_retries=0)
def _do(work: Work, job: Job, ticket: int, mailbox: Any) -> tuple[str, str]:
    outcome = attempt(work, job, lambda kind, content: mailbox.put.remote(ticket, kind, content))
    ray.get(mailbox.put.remote(ticket, SHARE, 1.0))  # all earlier messages have arrived, too
    return outcome
