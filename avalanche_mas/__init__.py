"""Memory Aware Synapses for Avalanche: exact importance, a fast penalty, ready-made plugins."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avalanche_mas.plugins import LocalMASPlugin, MASPlugin
    from avalanche_mas.strategies import MAS, LocalMAS

__all__ = ["MAS", "LocalMAS", "LocalMASPlugin", "MASPlugin"]

__version__ = "0.1.0"

_HOMES = {
    "MAS": "strategies",
    "LocalMAS": "strategies",
    "LocalMASPlugin": "plugins",
    "MASPlugin": "plugins",
}


def __getattr__(name: str) -> Any:
    """Imports on demand: Avalanche takes seconds, and importance and penalty do not need it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
