"""The evidence: what the method is compared with. Run from a clone as `python -m benchmarks`."""

import warnings

# Avalanche imports qpsolvers, and nothing here uses it. Every process of a command comes by here.
warnings.filterwarnings("ignore", "no QP solver found on your system", UserWarning, "qpsolvers")
