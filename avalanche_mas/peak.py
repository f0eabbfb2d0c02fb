"""Peak memory of this process."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


def peak_bytes(device: torch.device) -> float:
    """Return the peak so far, in bytes; it never falls.

    Args:
        device: for a CUDA device, what torch has allocated there; for any other, what the process
            has had resident, libraries included.

    Returns:
        The peak, NaN where the system does not tell it.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if STATUS.is_file():  # getrusage would count the process that this one was started from
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024.0 * int(line.split()[1])
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return math.nan
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * getrusage(RUSAGE_SELF).ru_maxrss)
