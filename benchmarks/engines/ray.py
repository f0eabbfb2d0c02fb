"""Runs on a Ray cluster, each a process of its own on a node that has room for it."""

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

from benchmarks.engines.cores import cores
from benchmarks.engines.engine import FAILED, LOST, SHARE, News, Work, attempt
from benchmarks.engines.environment import PRIVATE, environment
from benchmarks.engines.nodes import Needs, check_nodes, nodes_with_room
from benchmarks.record.code_version import COPY_OF, ROOT, code_version

if TYPE_CHECKING:
    from benchmarks.run.job import Job  # loads PyTorch, which not all of Ray's processes need

PACKAGES = ("avalanche_mas", "benchmarks")
"""What is copied to the nodes."""

PATIENCE = 10.0
"""Seconds that the runs are given to end when they are stopped."""

_MEMORY = 100 * 2**20
"""Bytes for Ray's object store, through which nothing but jobs passes here; its least is 75 MiB."""


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster.

    Attributes:
        at_a_time: How many runs are queued at any time.
        threads: Threads of each run; Ray sets aside as many processors.
        gpus: GPUs that Ray sets aside for each run, or the share of one.
        address: HOST:PORT of the cluster, or `auto`; `None` for one that is started on this machine
            and ends with the session.
    """

    at_a_time: int
    threads: int
    gpus: float = 0.0
    address: str | None = None

    @contextmanager
    def session(self, jobs: Sequence[Job], work: Work) -> Iterator[_Tasks]:
        """Connect, look at every node, give what queues runs, and stop those left at the end.

        Raises:
            ValueError: There is no such cluster, no node has room for a run, a node lacks files or
                libraries, or the cluster is lost later on.
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
    """Return the job with the paths by which another process knows its files."""
    paths = {name: getattr(job, name) for name in ("folder", "root", "weights")}
    return replace(job, **{name: path and path.absolute() for name, path in paths.items()})


@contextmanager
def _connected(address: str | None, code: dict[str, Any]) -> Iterator[None]:
    """Connect to the cluster, or to one on this machine that ends with this."""
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
        raise ValueError(
            f"Ray: {str(error).splitlines()[0]}; start the cluster again if it has ended, then the "
            "same command goes on from here"
        ) from error
    finally:
        ray.shutdown()


def _code(gpus: float) -> dict[str, Any]:
    """Return what makes this code that of the workers: a copy of it, and its version."""
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
    """Where the runs leave their news; it lives on the node of the command."""

    def __init__(self) -> None:
        self._letters: list[tuple[int, str, Any]] = []

    def put(self, ticket: int, kind: str, content: Any) -> None:
        self._letters.append((ticket, kind, content))

    def empty(self) -> list[tuple[int, str, Any]]:
        letters, self._letters = self._letters, []
        return letters


class _Tasks:
    """The runs that are queued or in progress."""

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
        """Yield what the runs have said, then which have ended."""
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
        """End the runs that there are, and wait until they have."""
        for task in self._running:
            ray.cancel(task, force=True)
        if self._running:
            ray.wait([*self._running], num_returns=len(self._running), timeout=PATIENCE)


def _outcome(task: Any) -> tuple[str, str]:
    """Return how a run ended: as it says itself, or as Ray does."""
    try:
        outcome: tuple[str, str] = ray.get(task)
    except (RayTaskError, RuntimeEnvSetupError) as error:
        return FAILED, str(error)
    except RayError as error:
        return LOST, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return outcome


# A process does one run: its memory is measured, and what a run leaves behind is no other's.
@ray.remote(max_calls=1, max_retries=0)
def _do(work: Work, job: Job, ticket: int, mailbox: Any) -> tuple[str, str]:
    outcome = attempt(work, job, lambda kind, content: mailbox.put.remote(ticket, kind, content))
    ray.get(mailbox.put.remote(ticket, SHARE, 1.0))  # what was said before has arrived, too
    return outcome
