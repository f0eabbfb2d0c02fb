"""`python -m benchmarks COMMAND`: the command line of the comparison."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

from avalanche_mas.options import guess
from avalanche_mas.signals import OF_SCHEDULERS, answered
from benchmarks.commands.parser import CommandError
from benchmarks.record.visible import visible

COMMANDS = {
    "run": "train methods on a sequence of tasks, one run folder each",
    "tune": "choose every method's strength on validation data",
    "report": "turn run folders into tables and figures",
    "data": "list, fetch, check and show the data sets",
    "speed": "measure the method's speed, side by side with alternatives",
    "setups": "compare training set-ups with a loop written by hand",
    "architectures": "compare the importance of many networks with loops of batch size one",
    "fuzz": "read damaged files of every kind",
    "docs": "update the numbers in README.md and docs from benchmarks/results",
    "demo": "compare methods on drawn images, in minutes",
}
"""What each command does. Its module in `benchmarks.commands` has a `main(arguments)` that returns
the exit status."""

FAILED, MISUSED, STOPPED = 1, 2, 128
"""Exit statuses; `STOPPED` plus the number of the signal that stopped the command."""


def main(arguments: Sequence[str]) -> int:
    """Run the command named by the first argument and return its exit status.

    Returns:
        0 on success; 1 if the command failed; 2 if it was misused, which includes options that
        contradict each other and missing files; 130 if Ctrl-C stopped it, 143 if SIGTERM did, and 138 if
        SIGUSR1 did, by which SLURM announces a preemption.

    Raises:
        SystemExit: An option is unknown or a value cannot be parsed; its code is 2.
    """
    lines = "\n".join(f"  {name:<14}{sentence}" for name, sentence in COMMANDS.items())
    usage = f"usage: python -m benchmarks COMMAND [--help] ...\n\ncommands:\n{lines}"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0 if arguments else MISUSED
    if arguments[0] not in COMMANDS:
        meant = guess(arguments[0], COMMANDS)
        print(f"{usage}\n\nerror: there is no command {arguments[0]!r}{meant}", file=sys.stderr)
        return MISUSED
    try:
        with answered(OF_SCHEDULERS, _stop):
            command = import_module(f"benchmarks.commands.{arguments[0]}")
            status: int = command.main(arguments[1:])
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return MISUSED
    except (CommandError, OSError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as error:
        number: int = error.args[0] if error.args else signal.SIGINT
        name = signal.Signals(number).name
        print(
            f"\nstopped by {name}; what is done is kept, repeat the command to continue",
            file=sys.stderr,
        )
        return STOPPED + number
    return status


def _stop(number: int, _: FrameType | None) -> None:
    """Stop the command as Ctrl-C does; schedulers repeat their signals, and once is enough."""
    for name in OF_SCHEDULERS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
