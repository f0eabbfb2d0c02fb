"""Commands as they are typed, so that their exit status is the one a shell sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.__main__ import main


def _type(command: str, arguments: Sequence[str]) -> int:
    return main([command, *arguments])


data, docs, report = (partial(_type, command) for command in ("data", "docs", "report"))
