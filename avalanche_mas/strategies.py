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

_RENAMED = {"batch_size": "importance_batch_size", "num_workers": "importance_num_workers"}
"""Options of the plugin whose names would say too little beside those of a strategy."""


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
        """Give the class an initialiser whose signature has Avalanche's arguments and the plugin's.

        Avalanche looks there for the arguments that it lets pass, and for their order where they
        come by position, of which it warns.
        """
        if plugin is not None:
            cls._plugin = plugin
            ours = inspect.signature(plugin).parameters
            cls._options = {_RENAMED.get(name, name): name for name in ours}
            cls.__init__ = _initialiser(cls._options, ours)  # type: ignore[method-assign]
        super().__init_subclass__(**rest)


def _initialiser(options: Mapping[str, str], ours: Mapping[str, Parameter]) -> Callable[..., None]:
    """Return `__init__` for a strategy with these options of its plugin."""

    def __init__(  # noqa: N807 - it becomes the method of this name
        self: Any, *, plugins: Sequence[BasePlugin] | None = None, **arguments: Any
    ) -> None:
        said = [name for name in arguments if name in options]
        mas = self._plugin(**{options[name]: arguments.pop(name) for name in said})
        SupervisedTemplate.__init__(self, plugins=[mas, *(plugins or ())], **arguments)
        self.mas = mas

    theirs = inspect.signature(SupervisedTemplate.__init__).parameters
    every = {name: p for name, p in theirs.items() if p.kind is Parameter.KEYWORD_ONLY}
    every |= {said: ours[name].replace(name=said) for said, name in options.items()}
    order = dict.fromkeys((*_FIRST, *every))
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            theirs["self"],
            *(every[name].replace(kind=Parameter.KEYWORD_ONLY) for name in order),
            Parameter("base_kwargs", Parameter.VAR_KEYWORD),
        ]
    )
    return __init__


class MAS(_WithPlugin, SupervisedTemplate, plugin=MASPlugin):
    """Memory Aware Synapses: plain fine-tuning with a `MASPlugin`.

    The arguments are those of Avalanche's `SupervisedTemplate` and those of `MASPlugin`, which are
    described there, with the same defaults; only the plugin's `batch_size` and `num_workers` are
    `importance_batch_size` and `importance_num_workers` here. By position they come in the order of
    Avalanche's own `MAS`, which warns of that too. The plugin is `strategy.mas`; it comes before
    the plugins passed in, so that one which clips gradients clips the penalty's share as well. The
    list passed in is not changed.

    Raises:
        TypeError: An argument is not known.
        ValueError: A value is out of its range.
    """


class LocalMAS(_WithPlugin, SupervisedTemplate, plugin=LocalMASPlugin):
    """l-MAS: plain fine-tuning with a `LocalMASPlugin`.

    All is as in `MAS`, and so are the arguments, without output= and granularity=.
    """
