"""The plugins: when importance is measured and the penalty applied; how is told elsewhere."""

from avalanche_mas.plugins.mas import LocalMASPlugin, MASPlugin

__all__ = ["LocalMASPlugin", "MASPlugin"]
