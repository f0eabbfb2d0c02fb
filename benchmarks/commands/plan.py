"""The plan of the runs that a command line asks for."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.commands.options import Options
from benchmarks.commands.strengths import OTHER, TRAINING, check_strengths, strength_of
from benchmarks.experiments import EXPERIMENTS, Experiment, Variant
from benchmarks.experiments.experiment import DATA_OPTIONS
from benchmarks.experiments.protocols import PROTOCOLS
from benchmarks.methods import COMPARED, METHODS, Method, method_named
from benchmarks.record.imported import function, is_path
from benchmarks.record.recipe import Recipe
from benchmarks.record.settings import Settings
from benchmarks.run.training.models import Model, model_named
from benchmarks.run.training.schedules import DROP_AFTER, STOP_AFTER

TUNING_SEED = 1000
"""The first of the seeds that strengths are tuned with; no reported run may use it or a higher one."""

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
    check_strengths(experiment, methods, options)
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
            **strength_of(method, options, common, variant, value),
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
    methods = [method_named(name) for name in chosen]
    titled: dict[str, Method] = {}
    for method in methods:
        if (other := titled.setdefault(method.title, method)) is not method:
            raise ValueError(
                f"--methods: {method.name} and {other.name} have one title, {method.title!r}, by which "
                "reports tell methods apart; choose another"
            )
    return methods


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
        stand_ins=experiment.stand_ins(options.stand_ins, tasks, root),
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
    """Return the name of the protocol, and in what the options are unlike it.

    What a run that is repeated records counts for all options that are as in its file.
    """
    protocol, config = PROTOCOLS[options.protocol], options.config
    if not protocol.values:
        return None
    drawn = ", on drawn images" if options.root is None else ""
    usual = {name: getattr(Options, name) for name in TRAINING if hasattr(Options, name)}
    usual.update((name, one.value) for name, one in protocol.values.items())
    other = [name for name, value in usual.items() if getattr(options, name) != value]
    if config is not None and config.run is not None:
        recorded = config.run["protocol"].partition(OTHER)[2].split(", ")
        file = {name: config.values.get(name, getattr(Options, name)) for name in usual}
        changed = [name for name in usual if getattr(options, name) != file[name]]
        other = [n for n in usual if n in (other if n in changed else recorded)]
    return protocol.name + drawn + (f"{OTHER}{', '.join(other)}" if other else "")


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
