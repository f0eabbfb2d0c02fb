from . import checkpoint as checkpoint
from . import importance as importance
from . import logging as logging
from . import metrics as metrics
from . import models as models
from . import penalty as penalty
from . import plugins as plugins
from . import strategies as strategies
from . import streams as streams
from .plugins import LocalMASPlugin as LocalMASPlugin
from .plugins import MASPlugin as MASPlugin
from .strategies import MAS as MAS
from .strategies import LocalMAS as LocalMAS

__version__: str
