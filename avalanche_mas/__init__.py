"""Memory Aware Synapses for Avalanche: exact importance, a fast penalty, ready-made plugins."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avalanche_mas.plugins import MASPlugin
    from avalanche_mas.strategies import MAS

__all__ = ["MAS", "MASPlugin"]


def __getattr__(name: str) -> Any:
    """Imports on demand: Avalanche takes seconds, and importance and penalty do not need it."""
    if name == "MASPlugin":
        from avalanche_mas.plugins import MASPlugin

        return MASPlugin
    if name == "MAS":
        from avalanche_mas.strategies import MAS

        return MAS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
