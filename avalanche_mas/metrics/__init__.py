"""The metrics of continual learning and of MAS: functions, and Avalanche's metrics over them."""

import lazy_loader

# Avalanche takes seconds to import; the functions of an accuracy matrix do not need it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
