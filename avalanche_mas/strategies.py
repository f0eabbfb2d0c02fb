"""MAS and l-MAS as ready-made Avalanche strategies."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from inspect import Parameter
from typing import Any, ClassVar

from avalanche.core import BasePlugin
from avalanche.training.templates import SupervisedTemplate

from avalanche_mas.plugins import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins.base import ImportancePlugin

_RENAMED = {"batch_size": "importance_batch_size", "num_workers": "importance_num_workers"}
"""Options of the plugin whose names would say too little beside those of a strategy."""


class _WithPlugin:
    """A strategy with an importance plugin before all others; see `MAS`.

    Not a strategy itself, for Avalanche checks the arguments of each against its signature.
    """

    _plugin: ClassVar[type[ImportancePlugin]]
    _options: ClassVar[dict[str, str]]  # names of the plugin's options by those of the strategy's

    def __init_subclass__(cls, plugin: type[ImportancePlugin]) -> None:
        """Put the options of the plugin into the signature, beside those of Avalanche's strategies.

        Avalanche looks there, too, for the arguments that it lets pass.
        """
        super().__init_subclass__()
        ours = inspect.signature(plugin).parameters
        theirs = inspect.signature(SupervisedTemplate.__init__).parameters.values()
        cls._plugin = plugin
        cls._options = {_RENAMED.get(name, name): name for name in ours}
        parameters = [
            *(each for each in theirs if each.kind is not Parameter.VAR_KEYWORD),
            *(
                ours[name].replace(name=said, kind=Parameter.KEYWORD_ONLY)
                for said, name in cls._options.items()
            ),
            Parameter("base_kwargs", Parameter.VAR_KEYWORD),
        ]
        cls.__init__.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

    def __init__(self, *, plugins: Sequence[BasePlugin] | None = None, **options: Any) -> None:
        said = [name for name in options if name in self._options]
        mas = self._plugin(**{self._options[name]: options.pop(name) for name in said})
        SupervisedTemplate.__init__(self, plugins=[mas, *(plugins or ())], **options)
        self.mas = mas


class MAS(_WithPlugin, SupervisedTemplate, plugin=MASPlugin):
    """Memory Aware Synapses: plain fine-tuning with a `MASPlugin`.

    The arguments are those of Avalanche's `SupervisedTemplate` and those of `MASPlugin`, which are
    described there, all by keyword and with the same defaults; only the plugin's `batch_size` and
    `num_workers` are `importance_batch_size` and `importance_num_workers` here. The plugin is
    `strategy.mas`; it comes before the plugins passed in, so that one which clips gradients clips
    the penalty's share as well. The list passed in is not changed.

    Raises:
        TypeError: An argument is not known.
        ValueError: A value is out of its range.
    """


class LocalMAS(_WithPlugin, SupervisedTemplate, plugin=LocalMASPlugin):
    """l-MAS: plain fine-tuning with a `LocalMASPlugin`.

    All is as in `MAS`, and so are the arguments, without output= and granularity=.
    """
