"""The plan of the runs that a command line asks for."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from benchmarks.commands.options import Options
from benchmarks.experiments import EXPERIMENTS, Experiment, Variant
from benchmarks.experiments.experiment import DATA_OPTIONS
from benchmarks.experiments.protocols import PROTOCOLS
from benchmarks.methods import COMPARED, METHODS, Method, method_named
from benchmarks.record.imported import function, is_path
from benchmarks.record.recipe import Recipe, completed
from benchmarks.record.settings import Settings, differences
from benchmarks.record.tuned import TUNED, tuned_strength
from benchmarks.run.training.models import Model, model_named
from benchmarks.run.training.schedules import DROP_AFTER, STOP_AFTER

TUNING_SEED = 1000
"""The first of the seeds that strengths are tuned with; no reported run may use it or a higher one."""

_TRAINING = (
    *("image_size", "model", "epochs", "first_epochs", "batch_size", "learning_rate"),
    *("transforms", "scenario", "classes", "images_per_class"),
    *(field.name for field in fields(Recipe) if field.name != "device"),
)
"""The fields of a configuration, besides the data, that the best strength may depend on."""

BATCH_SIZE = 32
"""The default number of images per training step."""

ADAPTIVE_RATE = 1e-3
"""The default learning rate of adam and adamw, as PyTorch's."""

IMAGE_SIZES = {"drawn": 32, "real": 224}
"""The default image sizes for a network of one's own, in pixels."""


def plan(options: Options) -> list[Settings]:
    """Return the runs that a command line asks for: every sequence, seed, method and variant.

    Their `samples`, which depend on the data, and `weights` are still empty.

    Raises:
        ValueError: The experiment cannot have these tasks or methods, an option contradicts another
            or has no effect, or a seed is reserved for tuning.
    """
    experiment = EXPERIMENTS[options.experiment]
    _check_protocol(experiment, options)
    sequences = _sequences(experiment, options)
    methods = _methods(experiment, options)
    if max(options.seeds) >= TUNING_SEED and options.evaluate_on != "valid":
        raise ValueError(
            f"seed {max(options.seeds)}: seeds from {TUNING_SEED} up are kept for tuning; choose lower "
            "ones with --seeds"
        )
    experiment.check_stand_ins(options.stand_ins, sequences)
    if options.stand_ins and options.root is None:
        raise ValueError(
            f"--stand-ins {' '.join(options.stand_ins)}: they take the place of real data; add "
            "--root with their folder"
        )
    _check_strengths(experiment, methods, options)
    return [
        replace(
            common,
            method=method.name,
            method_title=method.title if is_path(method.name) else None,
            seed=seed,
            importance_on=variant.importance_on,
            strength_share=variant.strength_share,
            choose=options.choose,
            **method.training,
            **_strength(method, options, common, variant, value),
        )
        for tasks in sequences
        for common in (_common(options, tasks),)
        for seed in options.seeds
        for method in methods
        for value in (method.strength and options.lambda_) or (None,)
        for variant in _variants(experiment, method, options)
    ]


def _variants(experiment: Experiment, method: Method, options: Options) -> list[Variant]:
    """Return the variants of a method's run: of an experiment, or the one of a run to be repeated."""
    run = None if options.config is None else options.config.run
    if not method.measures:
        return [Variant()]
    if run is not None and run["experiment"] == experiment.name:
        return [Variant(run.get("importance_on"), run.get("strength_share"))]
    return list(experiment.variants())


def _check_protocol(experiment: Experiment, options: Options) -> None:
    """Refuse a protocol for real images on other data, and on drawn images if no weights are named."""
    if not PROTOCOLS[options.protocol].values:
        return
    if not experiment.of_images:
        raise ValueError(
            f"--protocol {options.protocol} is for the eight data sets, which {experiment.name} does "
            "not use; leave it out"
        )
    if options.root is None and options.weights == "auto":
        raise ValueError(
            f"--protocol {options.protocol} is for real images: add --root DIR; or rehearse it on "
            "drawn ones, from random weights: --weights none --epochs 2 --classes 5"
        )


def _sequences(experiment: Experiment, options: Options) -> tuple[tuple[str, ...], ...]:
    """Return the sequences to learn, and refuse options of other experiments."""
    owners = {one.option: one.name for one in EXPERIMENTS.values() if one.option is not None}
    for option, owner in owners.items():
        if getattr(options, option) is not None and owner != experiment.name:
            raise ValueError(f"--{option} is for {owner}, not for {experiment.name}")
    if options.download and (experiment.download is None or options.root is None):
        able = " and ".join(one.name for one in EXPERIMENTS.values() if one.download)
        raise ValueError(
            f"--download fetches MNIST to the folder --root, for {able}; other data: python -m "
            "benchmarks data fetch"
        )
    given = [name for name in DATA_OPTIONS if getattr(options, name) != getattr(Options, name)]
    experiment.check_data_options(given)
    value = getattr(options, experiment.option) if experiment.option else None
    if options.stream is not None:
        function("--stream", options.stream)
    return experiment.asked(options.tasks, value)


def _methods(experiment: Experiment, options: Options) -> list[Method]:
    """Return the methods to run, each once."""
    about = experiment.methods or tuple(METHODS)
    default = experiment.methods or COMPARED
    chosen = tuple(dict.fromkeys(options.methods or default))
    for name in chosen:
        if name not in about and (experiment.methods or not is_path(name)):
            raise ValueError(
                f"{experiment.name} does not compare {name!r}; its methods are {', '.join(about)}"
            )
    for name, value in options.strength:
        if name not in chosen:
            raise ValueError(f"--strength {name}={value:g}: {name} is none of {', '.join(chosen)}")
        values = [f"{other:g}" for of, other in options.strength if of == name]
        if len(values) > 1:
            raise ValueError(
                f"--strength: {name} is given {' and '.join(values)}; give one of them, or all to "
                "--lambda, for a run each"
            )
    return [method_named(name) for name in chosen]


def _filled(options: Options, experiment: Experiment) -> Options:
    """Return the options, completed by the experiment's own defaults.

    The default epochs of the first task apply only together with those of the other tasks, and
    default learning rates only to SGD.
    """
    own = experiment.defaults.get("drawn" if options.root is None else "real", {})
    if options.optimizer != "sgd":
        own = {**own, "learning_rate": ADAPTIVE_RATE}
    left = {name: value for name, value in own.items() if getattr(options, name) is None}
    if "epochs" not in left:
        left.pop("first_epochs", None)
    return replace(options, **left)


def _check_strengths(experiment: Experiment, methods: list[Method], options: Options) -> None:
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
    for method in methods if options.choose else ():
        if method.strength and method.set_strength is None:
            raise ValueError(
                f"--choose {options.choose}: the strength of {method.name} cannot be set for each "
                "task; give its `Method` a `set_strength`, or leave it out of --methods"
            )


def _common(options: Options, tasks: tuple[str, ...]) -> Settings:
    """Return the configuration shared by all runs on a sequence of tasks, without method and seed."""
    experiment = EXPERIMENTS[options.experiment]
    options = _filled(options, experiment)
    model = _model(options)
    rate = options.learning_rate or model.learning_rate
    backbone, root = options.backbone_learning_rate, options.root
    return Settings(
        experiment=options.experiment,
        method="",
        seed=0,
        tasks=tasks,
        source="own" if options.stream else "drawn" if root is None else "real",
        root_note=None if root is None else root.name if root.is_absolute() else root.as_posix(),
        stand_ins=experiment.stand_ins(options.stand_ins, tasks),
        samples={},
        evaluated_on=options.evaluate_on or "test",
        image_size=None if options.stream else _image_size(options, model),
        model=model.name,
        weights=None,
        epochs=options.epochs or model.epochs,
        first_epochs=options.first_epochs,
        batch_size=options.batch_size or BATCH_SIZE,
        learning_rate=rate,
        strength=None,
        strength_from=None,
        optimizer=options.optimizer,
        momentum=_momentum(options),
        schedule=options.schedule or Recipe.schedule,
        backbone_learning_rate=None if backbone == rate else backbone,
        weight_decay=options.weight_decay,
        patience=_patience(experiment, options),
        gradient_clip=options.gradient_clip,
        penalty=options.penalty,
        precision=options.precision,
        device=options.device,
        transforms=None if options.transforms == "shift" else options.transforms,
        scenario=None if options.scenario == experiment.scenario else options.scenario,
        classes=options.classes,
        images_per_class=options.images_per_class,
        stream=options.stream,
        protocol=_protocol(options),
    )


def _protocol(options: Options) -> str | None:
    """Return the name of the protocol, and in what the options are unlike it."""
    protocol = PROTOCOLS[options.protocol]
    if options.config is not None and options.config.run is not None:
        recorded: str | None = options.config.run.get("protocol")
        return recorded
    if not protocol.values:
        return None
    drawn = ", on drawn images" if options.root is None else ""
    usual = {name: getattr(Options, name) for name in _TRAINING if hasattr(Options, name)}
    usual.update((name, one.value) for name, one in protocol.values.items())
    other = [name for name, value in usual.items() if getattr(options, name) != value]
    return protocol.name + drawn + (f", with other {', '.join(other)}" if other else "")


def _model(options: Options) -> Model:
    """Return the network to train."""
    model = model_named(options.model or ("small-cnn" if options.root is None else "squeezenet"))
    if is_path(model.name):
        function("--model", model.name)
    if model.pretrained is None and options.weights not in ("auto", "none"):
        raise ValueError(
            f"--weights {options.weights}: {model.name} has no weight file; leave it out"
        )
    if options.stream is None:
        model.check_size(_image_size(options, model))
    return model


def _image_size(options: Options, model: Model) -> int:
    source = "drawn" if options.root is None else "real"
    return options.image_size or model.image_size or IMAGE_SIZES[source]


def _momentum(options: Options) -> float | None:
    """Return the momentum of SGD, `None` for optimizers that have none."""
    if options.optimizer == "sgd":
        return Recipe.momentum if options.momentum is None else options.momentum
    if options.momentum is not None:
        raise ValueError(
            f"--momentum {options.momentum:g}: {options.optimizer} has none; leave it out, or use "
            "--optimizer sgd"
        )
    return None


def _patience(experiment: Experiment, options: Options) -> int | None:
    """Return the number of epochs without a gain after which training stops."""
    if experiment.meets_validation and (options.patience or options.schedule == "plateau"):
        raise ValueError(
            f"{experiment.name}: the model meets the first task's validation images, so they may not "
            "decide when training stops; leave out --patience and --schedule plateau"
        )
    if options.schedule != "plateau":
        return options.patience
    patience = STOP_AFTER if options.patience is None else options.patience
    if patience <= DROP_AFTER:
        raise ValueError(
            f"--patience {patience}: training would stop before --schedule plateau lowers the "
            f"rate, after {DROP_AFTER} epochs without a gain; give more, or another --schedule"
        )
    return patience


def _other_training(tuned: dict[str, Any], run: Settings) -> str:
    """Name the differences between the training that a strength was tuned for and a run's.

    `run` is without what its method fixes, which was the same in tuning.
    """
    other = [n for n in differences(completed(tuned), run.as_json()) if n in _TRAINING]
    return f", with other {', '.join(other)}" if other else ""


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


def _strength(
    method: Method, options: Options, run: Settings, variant: Variant, of_grid: float | None
) -> dict[str, Any]:
    """Return a method's strength, its origin, and whether it belongs to a grid."""
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
        return {name: repeated.get(name) for name in ("strength", "strength_from", "strength_grid")}
    elif method.name in protocol.strengths:
        value, origin = protocol.strengths[method.name].value, f"the protocol {protocol.name}"
    elif tuned is not None and not protocol.strengths:
        value, origin = tuned.strength, f"{TUNED}{_other_training(tuned.configuration, run)}"
    else:
        value, origin = method.centre or 0.0, "what is usual, not tuned"
    if variant.strength_share is not None:
        value *= variant.strength_share
        origin += f", times {variant.strength_share:g}"
    grid = True if of_grid is not None else None
    return {"strength": value, "strength_from": origin, "strength_grid": grid}
