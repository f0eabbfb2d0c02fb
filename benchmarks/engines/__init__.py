"""Execution of runs on this machine or on a Ray cluster, one small file per engine."""

from __future__ import annotations

from benchmarks.engines.engine import Engine

__all__ = ["Engine"]
