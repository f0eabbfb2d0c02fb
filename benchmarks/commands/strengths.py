"""The strengths of the methods that a command line asks for, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from benchmarks.commands.options import Options
from benchmarks.experiments import EXPERIMENTS, Experiment, Variant
from benchmarks.experiments.protocols import PROTOCOLS
from benchmarks.methods import Method
from benchmarks.record.recipe import Recipe, completed
from benchmarks.record.settings import Settings, differences
from benchmarks.record.tuned import TUNED, tuned_strength

USUAL = "what is usual, not tuned"
"""The origin of a strength that nobody has chosen."""

OTHER = ", with other "
"""What comes before the names of fields in which a run is unlike what it says it follows."""

TRAINING = (
    *("model", "image_size", "transforms", "scenario", "classes", "images_per_class", "epochs"),
    *("first_epochs", "batch_size", "learning_rate"),
    *(field.name for field in fields(Recipe) if field.name != "device"),
)
"""The fields of a configuration, besides the data, that the best strength may depend on."""


def check_strengths(experiment: Experiment, methods: list[Method], options: Options) -> None:
    """Refuse options on strengths that contradict each other or cannot be followed."""
    given = {
        "--strength": options.strength,
        "--lambda": options.lambda_,
        "--choose": options.choose,
    }
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} both say how strong methods are; give one of them")
    if len(set(options.lambda_)) < len(options.lambda_):
        listed = " ".join(f"{value:g}" for value in options.lambda_)
        raise ValueError(f"--lambda {listed}: one of these strengths is given twice")
    if options.lambda_ and not any(method.strength for method in methods):
        listed = ", ".join(method.name for method in methods)
        raise ValueError(f"--lambda: none of {listed} has a strength; leave it out")
    if names and names[0] != "--strength" and experiment.strength_shares:
        raise ValueError(f"{experiment.name} compares shares of one strength; leave out {names[0]}")
    if options.lambda_ and experiment.importance_on:
        raise ValueError(f"{experiment.name} compares data at one strength; leave out --lambda")
    given_to = dict(options.strength)
    for method in methods:
        if method.name in given_to and not method.strength:
            raise ValueError(
                f"--strength {method.name}={given_to[method.name]:g}: its `Method` has no `strength`; "
                "say there in words what the number is, or leave the option out"
            )
        if options.choose and method.strength and method.highest is None:
            raise ValueError(
                f"--choose {options.choose}: {method.name} has no strength to begin with; give its "
                "`Method` a `centre` or a `start`, or leave it out of --methods"
            )
        if options.choose and method.strength and method.set_strength is None:
            raise ValueError(
                f"--choose {options.choose}: the strength of {method.name} cannot be set for each "
                "task; give its `Method` a `set_strength`, or leave it out of --methods"
            )


def _other_training(earlier: Mapping[str, Any], run: Settings, method: Method) -> str:
    """Name the differences between the runs that a strength is from and a run that uses it.

    These are of the training and the tasks, whatever their order; those of an own stream are not known
    yet. Both runs are with, or without, what the method fixes.
    """
    counts = {*TRAINING, "tasks"}
    if not method.penalties:
        counts.remove("penalty")
    if not run.tasks or sorted(earlier.get("tasks", ())) == sorted(run.tasks):
        counts.remove("tasks")
    other = [n for n in differences(completed(earlier), run.as_json()) if n in counts]
    return f"{OTHER}{', '.join(other)}" if other else ""


def strengths_of(run: Settings) -> str:
    """Return the name under which the strengths that a run uses are tuned."""
    if run.stream is not None:
        return f"{run.experiment}-{run.stream.replace(':', '.')}"
    return EXPERIMENTS[run.experiment].strength_of or run.experiment


def _origin(options: Options) -> str:
    """Return where the option --strength is given."""
    in_file = options.config is not None and options.strength == options.config.values.get(
        "strength"
    )
    return "the configuration file" if in_file else "the command line"


def _as_repeated(repeated: Mapping[str, Any], run: Settings, method: Method) -> dict[str, Any]:
    """Return the strength of the run that is repeated, and in what this one is unlike it."""
    origin = repeated.get("strength_from")
    if origin is not None and origin.startswith(TUNED):
        origin += _other_training(repeated, replace(run, **method.training), method)
    return {
        "strength": repeated.get("strength"),
        "strength_from": origin,
        "strength_grid": repeated.get("strength_grid"),
    }


def strength_of(
    method: Method, options: Options, run: Settings, variant: Variant, of_grid: float | None
) -> dict[str, Any]:
    """Return a method's strength, its origin, and whether it belongs to a grid.

    Raises:
        ValueError: Nobody says what its strength is.
    """
    if method.strength is None:
        return {"strength": None, "strength_from": None}
    if options.choose is not None:
        return {"strength": None, "strength_from": f"the {options.choose}, for each task"}
    repeated = None if options.config is None else options.config.run
    protocol = PROTOCOLS[options.protocol]
    tuned = tuned_strength(strengths_of(run), run.source, method.tuned_as or method.name)
    given = dict(options.strength)
    if of_grid is not None:
        value, origin = of_grid, "the grid of the command line"
    elif method.name in given:
        value, origin = given[method.name], _origin(options)
    elif repeated is not None and repeated["method"] == method.name:
        return _as_repeated(repeated, run, method)
    elif method.name in protocol.strengths:
        value, origin = protocol.strengths[method.name].value, f"the protocol {protocol.name}"
    elif tuned is not None and not protocol.strengths:
        value, origin = (
            tuned.strength,
            TUNED + _other_training(tuned.configuration, run, method),
        )
    elif method.centre is not None:
        value, origin = method.centre, USUAL
    else:
        raise ValueError(
            f"{method.name} has no usual strength: give its `Method` a `centre`, or say "
            f"--strength {method.name}=VALUE"
        )
    if variant.strength_share is not None:
        value *= variant.strength_share
        origin += f", times {variant.strength_share:g}"
    grid = True if of_grid is not None else None
    return {"strength": value, "strength_from": origin, "strength_grid": grid}
