"""Checks that the nodes of a Ray cluster can do the runs: resources, files, libraries."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmarks.record.folders import package_versions

if TYPE_CHECKING:
    from benchmarks.run.job import Job

PATIENCE = 300.0
"""Seconds that a node gets to answer; it must first start a process and receive the code."""


@dataclass(frozen=True)
class Needs:
    """The processors that Ray reserves for a run, and the GPUs or the share of one."""

    threads: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.threads} processors and {self.gpus:g} GPUs for a run"


def nodes_with_room(needs: Needs) -> list[dict[str, Any]]:
    """Return Ray's descriptions of the nodes that could hold a run if nothing else ran there."""
    return [
        node
        for node in ray.nodes()
        if node["Alive"]
        and node["Resources"].get("CPU", 0) >= needs.threads
        and node["Resources"].get("GPU", 0) >= needs.gpus
    ]


def check_nodes(needs: Needs, jobs: Sequence[Job]) -> None:
    """Check every node that could execute these jobs, which have absolute paths.

    Raises:
        ValueError: No node has room for a run; or a node does not share the folder of the results,
            lacks the data or the weights, or has other versions of the libraries.
        ConnectionError: A node does not answer.
    """
    nodes = nodes_with_room(needs)
    if not nodes:
        raise ValueError(
            f"no node of the cluster has {needs}; they have "
            f"{'; '.join(_describe(node) for node in ray.nodes() if node['Alive'])}; "
            "lower --threads or --gpus"
        )
    names = [node["NodeManagerAddress"] for node in nodes]
    inputs = sorted({path for job in jobs for path in (job.root, job.weights, job.code) if path})
    with _probe(Path(os.path.commonpath([job.folder.parent for job in jobs]))) as (file, token):
        asked = [_ask(node, file, token, inputs, package_versions()) for node in nodes]
        try:
            complaints = ray.get(asked, timeout=PATIENCE)
        except RayError as error:
            raise ConnectionError(f"the nodes {', '.join(names)} do not answer: {error}") from error
    for complaint in filter(None, complaints):
        raise ValueError(complaint)


def _describe(node: dict[str, Any]) -> str:
    held = node["Resources"]
    return f"{node['NodeManagerAddress']}: {held.get('CPU', 0):g} and {held.get('GPU', 0):g}"


@contextmanager
def _probe(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield a file in a folder and its content, which nobody else can know."""
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex()
    file = folder / f".probe-{token[:8]}"
    file.write_text(token, encoding="utf-8")
    try:
        yield file, token
    finally:
        file.unlink()


def _ask(node: dict[str, Any], *arguments: Any) -> Any:
    """Return Ray's reference to what a node lacks."""
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    ask = _lack.options(scheduling_strategy=there)
    return ask.remote(f"the node {node['NodeManagerAddress']} of the cluster", *arguments)


@ray.remote(num_cpus=0, max_retries=0)
def _lack(
    name: str, file: Path, token: str, inputs: list[Path], versions: dict[str, str]
) -> str | None:
    """Return what the node of this process lacks, or None; `name` is the node's in messages."""
    if not file.is_file() or file.read_text(encoding="utf-8") != token:
        return (
            f"{file.parent} is not the same folder on {name}, so its results would be lost; set "
            "--output to a folder that all nodes share"
        )
    if not os.access(file.parent, os.W_OK):
        return f"{name} cannot write to {file.parent}"
    for path in inputs:
        if not path.exists():
            return f"{path} is not there on {name}; use a path that all nodes share"
    there: dict[str, str | None]
    try:
        there = {**package_versions()}
    except PackageNotFoundError as error:
        there = {error.name: None}
    for library, here in versions.items():
        if there.get(library, here) != here:
            return (
                f"{name} has {library} {there[library]}, and not {here} as here, so its numbers "
                "would differ; install the same versions with constraints.txt"
            )
    return None
