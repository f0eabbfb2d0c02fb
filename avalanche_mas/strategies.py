"""MAS and l-MAS as ready-made Avalanche strategies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, ClassVar

from avalanche.core import BasePlugin
from avalanche.training.templates import SupervisedTemplate

from avalanche_mas.plugins import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins.base import ImportancePlugin

__all__ = ["MAS", "LocalMAS"]


def __dir__() -> list[str]:
    return __all__


_RENAMED = {"batch_size": "importance_batch_size", "num_workers": "importance_num_workers"}
"""Options of the plugin whose names would be unclear beside those of a strategy."""

_FIRST = ("model", "optimizer", "criterion", "lambda_reg", "alpha", "verbose")
"""The arguments that come first by position, as in Avalanche's own `MAS`; its others follow."""


class _WithPlugin:
    """A strategy with an importance plugin before all others; see `MAS`.

    Not a strategy itself, for Avalanche checks the arguments of each against its signature.
    """

    _plugin: ClassVar[type[ImportancePlugin]]
    _options: ClassVar[dict[str, str]]  # names of the plugin's options by those of the strategy's
    mas: ImportancePlugin

    def __init_subclass__(cls, plugin: type[ImportancePlugin] | None = None, **rest: Any) -> None:
        """Give the class an initialiser with Avalanche's arguments and the plugin's.

        Avalanche reads the names and the order of arguments from the initialiser's signature, and
        wants them keyword-only there. It also takes them by position, as the class's own
        signature says.
        """
        signature = None
        if plugin is not None:
            cls._plugin = plugin
            ours = inspect.signature(plugin).parameters
            cls._options = {_RENAMED.get(name, name): name for name in ours}
            arguments = _arguments(cls._options, ours)
            cls.__init__ = _initialiser(arguments)  # type: ignore[method-assign]
            signature = inspect.Signature(arguments)
        if plugin is not None or "__init__" in vars(cls):
            cls.__signature__ = signature  # type: ignore[attr-defined]
        super().__init_subclass__(**rest)


def _arguments(options: Mapping[str, str], ours: Mapping[str, Parameter]) -> list[Parameter]:
    """Return a strategy's arguments: first Avalanche's, which it takes by position, then the rest."""
    theirs = inspect.signature(SupervisedTemplate.__init__).parameters
    keywords = {name: p for name, p in theirs.items() if p.kind is Parameter.KEYWORD_ONLY}
    every = keywords | {said: ours[name].replace(name=said) for said, name in options.items()}
    first = list(dict.fromkeys((*_FIRST, *keywords)))
    rest = [name for name in every if name not in first]
    return [
        *(every[name].replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for name in first),
        *(every[name].replace(kind=Parameter.KEYWORD_ONLY) for name in rest),
        Parameter("base_kwargs", Parameter.VAR_KEYWORD),
    ]


def _initialiser(arguments: Sequence[Parameter]) -> Callable[..., None]:
    """Return `__init__` for a strategy with these arguments."""

    def __init__(  # noqa: N807 - it becomes the method of this name
        self: Any, *, plugins: Sequence[BasePlugin] | None = None, **arguments: Any
    ) -> None:
        options = self._options
        said = [name for name in arguments if name in options]
        mas = self._plugin(**{options[name]: arguments.pop(name) for name in said})
        SupervisedTemplate.__init__(self, plugins=[mas, *(plugins or ())], **arguments)
        self.mas = mas

    keywords = [
        p if p.kind is Parameter.VAR_KEYWORD else p.replace(kind=Parameter.KEYWORD_ONLY)
        for p in arguments
    ]
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *keywords]
    )
    return __init__


class MAS(_WithPlugin, SupervisedTemplate, plugin=MASPlugin):
    """Memory Aware Synapses: plain fine-tuning with a `MASPlugin`.

    The arguments are those of Avalanche's `SupervisedTemplate` and those of `MASPlugin`, which are
    described there, with the same defaults; only the plugin's `batch_size` and `num_workers` are
    `importance_batch_size` and `importance_num_workers` here. By position they come in the order of
    Avalanche's own `MAS`, which warns of that too. The plugin is `strategy.mas`; it comes before
    the plugins passed in. The list passed in is not changed.

    Raises:
        TypeError: an argument is not known.
        ValueError: a value is out of its range.
    """


class LocalMAS(_WithPlugin, SupervisedTemplate, plugin=LocalMASPlugin):
    """l-MAS: plain fine-tuning with a `LocalMASPlugin`.

    As `MAS`, with the same arguments except output= and granularity=.
    """
