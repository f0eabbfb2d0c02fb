"""The parser of every command, and the types of the values on a command line.

This module does not load PyTorch, so a mistyped value is answered at once.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from os.path import expanduser
from pathlib import Path
from textwrap import dedent
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from avalanche_mas.options import guess
from benchmarks.methods import METHODS
from benchmarks.record.imported import is_path


class CommandError(Exception):
    """The failure of a command that was used correctly; the message says why and what to do."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, which answers an unknown option with the one meant, or all."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse `args`, and refuse unknown ones; argparse calls this for subcommands, too."""
        parsed, extra = super().parse_known_args(args, namespace)
        if extra:
            known = sorted({name for action in self._actions for name in action.option_strings})
            meant = guess(extra[0].partition("=")[0], known)
            self.error(
                f"unknown {' '.join(extra)}{meant or '; the options are ' + ', '.join(known)}"
            )
        return parsed, []

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += guess(value, action.choices or ())
            raise

    @property
    def by_name(self) -> dict[str, argparse.Action]:
        """The arguments and options by the names of their values, in the order of `--help`."""
        return {action.dest.rstrip("_"): action for action in self._actions}

    def values(self, words: Sequence[str]) -> dict[str, Any]:
        """Return what a command line gives, and nothing that it leaves out."""
        given = vars(self.parse_args(words))
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
            if value is not None or self.by_name[name.rstrip("_")].option_strings
        }


def add_fields(parser: Parser, declared: type[Any], groups: Mapping[str, str]) -> None:
    """Add an option for each field of a dataclass; the field's type says how to parse it.

    Each field has a help text below. One without a default is an argument that may be left out; a
    tuple takes several values, a bool none. `groups` has the titles of the groups of `--help`, by the first
    field of each.
    """
    group: Any = parser
    sentences = _sentences(declared)
    for name, kind in get_type_hints(declared, include_extras=True).items():
        if name in groups:
            group = parser.add_argument_group(groups[name])
        how = {**_how(kind), "help": sentences[name]}
        if hasattr(declared, name):
            how["dest"] = name
            name = f"--{name.rstrip('_').replace('_', '-')}"
        else:
            how.update(nargs="?", default=None)
        group.add_argument(name, **how)


def _sentences(declared: type[Any]) -> dict[str, str]:
    """Return the string below each field of a class."""
    source = ast.parse(dedent(inspect.getsource(declared)))
    (definition,) = (node for node in source.body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: ast.literal_eval(below.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
    }


def _how(kind: Any) -> dict[str, Any]:
    """Return the arguments that make argparse parse a value of a type.

    A type is annotated with a function that parses the value, with the possible values, or with the
    name of the value in `--help`.
    """
    origin, (first, *more) = get_origin(kind), get_args(kind) or (None,)
    if origin in (Union, UnionType):
        return _how(next(one for one in (first, *more) if one is not type(None)))
    if origin is tuple:
        return {**_how(first), "nargs": "+", "action": "extend"}
    if origin is Literal:
        return {"choices": (first, *more)}
    if origin is Annotated:
        found: dict[str, Any] = {} if get_origin(first) else _how(first)
        for part in more:
            key = "type" if callable(part) else "metavar" if isinstance(part, str) else "choices"
            found[key] = part
        return found
    return {"action": "store_true"} if kind is bool else {"type": kind}


def _seeds(text: str) -> tuple[int, ...]:
    """Parse `3` as the seeds 0, 1, 2, and `4,7` (or `4,`) as the seeds listed."""
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = ()
    chosen = tuple(range(numbers[0])) if numbers and "," not in text else numbers
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of seeds, such as 3, nor a list of different ones, "
            "such as 0,4,7"
        )
    return chosen


def _strength(text: str) -> tuple[str, float]:
    """Parse `mas=0.1` as a method and its strength."""
    method, _, value = text.partition("=")
    known = [name for name, entry in METHODS.items() if entry.strength]
    if not value or not (method in known or is_path(method)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not METHOD=STRENGTH, such as mas=0.1; the methods with a strength are "
            + ", ".join(known)
            + guess(method, known)
        )
    return method, _not_negative(value)


def _folder(text: str) -> Path:
    """Parse a folder; no shell has replaced the `~` in a file of options."""
    return Path(expanduser(text))  # noqa: PTH111 (Path refuses other names that begin with ~)


def _path(text: str) -> str:
    """Parse an import path such as `package.module:name`."""
    if not is_path(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as my_module:name")
    return text


def named(known: Mapping[str, Any]) -> Callable[[str], str]:
    """Return a function that parses one of these names, or an import path."""

    def reader(text: str) -> str:
        if text not in known and not is_path(text):
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither one of {', '.join(map(repr, known))} nor a path such as "
                f"my_module:name{guess(text, known)}"
            )
        return text

    return reader


def cluster(text: str) -> str:
    """Parse the address of a Ray cluster that has a node on this machine."""
    if "://" in text or not text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT or auto; run the command on a node of the cluster"
        )
    return text


def _choice(text: str) -> str | None:
    """Parse `framework`, or `none`."""
    if text not in ("framework", "none"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'framework' nor 'none'")
    return None if text == "none" else text


def _norm(text: str) -> float | None:
    """Parse a finite number above 0, or `none`."""
    number: float | None = None if text == "none" else _rate(text)
    return number


def _number(read: Callable[[str], Any], allowed: Callable[[Any], bool], wrong: str) -> Any:
    """Return a function that parses a finite number, and says what is wrong unless it is allowed."""

    def reader(text: str) -> Any:
        try:
            number = read(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and allowed(number)):
            raise argparse.ArgumentTypeError(f"{text!r} is {wrong}")
        return number

    return reader


def _whole(text: str) -> int | float:
    return int(text) if text.isdecimal() else math.nan


positive = _number(_whole, lambda n: n >= 1, "not a whole number of at least 1")
_count = _number(_whole, lambda n: n >= 0, "not a whole number of at least 0")
_rate = _number(float, lambda x: x > 0, "not a finite number above 0")
_not_negative = _number(float, lambda x: x >= 0, "not a finite number of at least 0")
_momentum = _number(float, lambda x: 0 <= x < 1, "not a number from 0 to below 1")
_gpus = _number(
    float,
    lambda x: 0 <= x < 1 or (x >= 1 and x.is_integer()),
    "neither a share of a GPU, such as 0.5, nor a whole number of them",
)

Folder: TypeAlias = Annotated[Path, _folder, "DIR"]
Seeds: TypeAlias = Annotated[tuple[int, ...], _seeds, "N"]
Positive: TypeAlias = Annotated[int, positive, "N"]
Count: TypeAlias = Annotated[int, _count, "N"]
Rate: TypeAlias = Annotated[float, _rate, "RATE"]
NotNegative: TypeAlias = Annotated[float, _not_negative, "VALUE"]
Momentum: TypeAlias = Annotated[float, _momentum, "VALUE"]
Norm: TypeAlias = Annotated[float | None, _norm, "NORM|none"]
Choice: TypeAlias = Annotated[str | None, _choice, "framework|none"]
Gpus: TypeAlias = Annotated[float, _gpus, "FRACTION"]
Cluster: TypeAlias = Annotated[str, cluster, "HOST:PORT|auto"]
Strength: TypeAlias = Annotated[tuple[str, float], _strength, "METHOD=VALUE"]
ImportPath: TypeAlias = Annotated[str, _path, "MODULE:NAME"]
