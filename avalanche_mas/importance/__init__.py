"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""

import lazy_loader

# Torch takes long to import.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
