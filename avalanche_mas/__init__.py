"""Memory Aware Synapses for Avalanche: exact importance, a fast penalty, ready-made plugins."""

import lazy_loader

__all__ = ["MAS", "LocalMAS", "LocalMASPlugin", "MASPlugin"]
__version__ = "0.1.0"

# Avalanche takes seconds to import; importance and penalty do not need it.
__getattr__, _, _public = lazy_loader.attach_stub(__name__, __file__)


def __dir__() -> list[str]:
    return [*_public, "__version__"]
