"""Configuration files of `run` and `tune`: the options' names in YAML, or a run's own `config.json`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from avalanche_mas.options import guess
from benchmarks.commands.parser import Parser
from benchmarks.experiments import EXPERIMENTS
from benchmarks.record.checks import check
from benchmarks.record.files import read_json
from benchmarks.record.recipe import completed
from benchmarks.record.settings import Settings, differences

_ELSEWHERE = {"strength", "weights", "tasks", "protocol"}
"""The fields of a run's configuration that do not mean the option of the same name."""


class Config(NamedTuple):
    """A configuration file, and the values that it gives to options.

    `run` is the configuration of the run that the file is of, `None` if it is of none. Its strength
    is no option's value: it is that run's, wherever it came from.
    """

    file: Path
    values: Mapping[str, Any]
    run: Mapping[str, Any] | None = None

    def unlike(self, run: Settings) -> str:
        """Return in what a run is unlike that of the file, in words; empty if in nothing."""
        now = run.as_json()
        other = [] if self.run is None else differences(dict(self.run), now)
        return ", ".join(
            f"{name} {now.get(name)} for {(self.run or {}).get(name)}" for name in other
        )


def read_config(file: Path, parser: Parser) -> Config:
    """Return what a file says, in the words of a parser that raises its errors.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file, or holds an unknown option or value.
    """
    try:
        content = read_json(file) if file.suffix == ".json" else _read_yaml(file)
        if not isinstance(content, dict):
            raise ValueError("it holds no options, such as `batch_size: 32`")
        run = _run(content) if {"experiment", "method", "seed"} <= content.keys() else None
        said = content if run is None else _options(run, parser.by_name)
        return Config(file, parser.values(list(_words(said, parser.by_name))), run)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--config {file}: there is no such file") from error
    except (ValueError, argparse.ArgumentError) as error:
        raise ValueError(f"--config {file}: {error}") from error


def _read_yaml(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        root = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is no YAML ({' '.join(str(error).split())})") from error
    keys = [key.value for key, _ in root.value] if isinstance(root, yaml.MappingNode) else []
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} is given twice")
    return content


def _run(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole configuration of a run."""
    for one in fields(Settings):
        if one.name not in content and one.default is MISSING:
            raise ValueError(
                f"it has experiment, method and seed, as a run's configuration has, but lacks "
                f"{one.name!r}; a file of options has the names of options: methods, seeds"
            )
    run = completed(content)
    check(run, Settings, "it")
    return run


def _options(run: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return the options that ask for a run, besides its strength."""
    given = [name for name in known if name in run and run[name] not in (None, [])]
    named = {name: run[name] for name in given if name not in _ELSEWHERE}
    experiment = EXPERIMENTS.get(run["experiment"])
    option = None if experiment is None else experiment.option
    tasks: dict[str, Any] = {"tasks": run["tasks"]}
    if option == "orders":
        tasks["orders"] = 1
    elif option == "permutations":
        tasks = {option: len(run["tasks"])}
    elif experiment is not None and not experiment.known:
        tasks = {}
    if run["stand_ins"] and experiment is not None and experiment.data_set is not None:
        named["stand_ins"] = [experiment.data_set]
    if run["source"] == "real":
        named["root"] = run.get("root_note")
    if run.get("protocol"):
        named["protocol"] = run["protocol"].partition(",")[0]
    return {
        **named,
        **tasks,
        "methods": [run["method"]],
        "seeds": [run["seed"]],
        "evaluate_on": run["evaluated_on"],
        "weights": "none" if run["weights"] is None else "auto",
        "gradient_clip": run["gradient_clip"],
    }


def _words(values: Mapping[Any, Any], known: Mapping[str, argparse.Action]) -> Iterator[str]:
    """Yield a command line that says the same."""
    seen = set()
    # the argument first: an option of several values would take it for one of these
    for key, value in sorted(values.items(), key=lambda pair: pair[0] != "experiment"):
        name = str(key).replace("-", "_")
        if name not in known or name in ("help", "config"):
            raise ValueError(f"--help lists no option {key!s:.40}{guess(name, known)}")
        if name in seen:
            raise ValueError(f"{name} is given twice")
        seen.add(name)
        yield from _said(name, value, known[name])


def _said(name: str, value: Any, action: argparse.Action) -> Iterator[str]:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false, not {value!r:.40}")
        yield from action.option_strings[:value]
        return
    if isinstance(value, dict):
        value = [f"{_text(name, key)}={_text(name, one)}" for key, one in value.items()]
    several = isinstance(value, list)
    texts = [_text(name, one) for one in (value if several else [value])]
    if name == "seeds" and several:
        texts = [",".join((*texts, ""))]
    if (len(texts) != 1 and action.nargs != "+") or not texts:
        raise ValueError(f"{name} takes a value, not the list {', '.join(texts) or 'of none'}")
    for text in texts:
        if action.choices is not None and text not in action.choices:
            raise ValueError(
                f"{name} is {text!r}, not one of {', '.join(action.choices)}{guess(text, action.choices)}"
            )
    yield from (*action.option_strings, *texts)


def _text(name: str, value: Any) -> str:
    """Return a plain value as it is said on a command line."""
    text = "none" if value is None else str(value) if not isinstance(value, (list, dict)) else "--"
    if text.startswith("--"):
        raise ValueError(f"{name} is not a plain value, such as 1 or mas")
    return text
