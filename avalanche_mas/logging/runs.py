"""Starting a wandb run, even if its server does not answer."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import wandb
from wandb.errors import AuthenticationError, CommError

from avalanche_mas.logging.history import run_files

_APPENDS = tuple(map(int, wandb.__version__.split(".")[:2])) < (0, 31)
SYNC = "wandb sync --include-online" + " --append" * _APPENDS
"""The command that sends a run's folders; before 0.31 wandb sends only the last without `--append`."""

ATTEMPTS, PAUSE, PATIENCE = 3, 1.0, 10.0
"""The number of attempts to reach a server, the seconds between them, and the seconds for each."""


def start_run(arguments: dict[str, Any]) -> Any:
    """Start a run; if its server cannot be reached, start it offline with a warning.

    A run with an unsent part on this machine also continues offline, because the server must get the
    parts in order.

    Args:
        arguments: arguments of `wandb.init`, with `settings` as a dictionary.
    """
    if _goes_online(arguments):
        reason = _unsent(arguments) or unreachable(_settings(arguments).base_url)
        if reason is None:
            try:
                return wandb.init(**arguments)
            except AuthenticationError:
                raise
            except CommError as error:
                reason = str(error)
        return start_offline(arguments, reason)
    return wandb.init(**arguments)


def start_offline(arguments: dict[str, Any], reason: str) -> Any:
    """Start a run offline, with a warning that gives the reason and how to send the run later."""
    run = wandb.init(**{**arguments, "mode": "offline"})
    warnings.warn(f"{reason}; run {run.id} goes on offline, {how_to_send(run)}", stacklevel=2)
    return run


def how_to_send(run: Any) -> str:
    """Return the end of a sentence that gives the command for sending a run's folders."""
    folders = Path(run.settings.wandb_dir) / f"*run-*-{run.id}"
    return f"complete on this machine; to send it later: {SYNC} {folders}"


def unreachable(address: str) -> str | None:
    """Return why a server cannot be used, or None if it answers.

    wandb itself would wait for minutes, and some versions would never let the process end.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            # The address is the user's own setting, and what it answers is not read.
            urllib.request.urlopen(address, timeout=PATIENCE).close()  # noqa: S310
            return None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                return None
            reason = f"answers {error.code} {error.reason}"
        except OSError as error:
            reason = f"cannot be reached ({getattr(error, 'reason', error)})"
    return f"the wandb server {address} {reason}"


def forget_service() -> None:
    """Let wandb start a new process of its own in place of one that has ended."""
    with contextlib.suppress(OSError):
        wandb.teardown()


def _settings(arguments: dict[str, Any]) -> Any:
    """Return the settings that `wandb.init` will use."""
    settings = wandb.setup().settings.model_copy()
    given = arguments["settings"]
    settings.update_from_dict(given if isinstance(given, dict) else given.model_dump())
    if arguments["dir"] is not None:
        settings.root_dir = str(arguments["dir"])
    return settings


def _goes_online(arguments: dict[str, Any]) -> bool:
    return bool((arguments["mode"] or _settings(arguments).mode) == "online")


def _unsent(arguments: dict[str, Any]) -> str | None:
    if "id" not in arguments:
        return None
    for file in run_files(Path(_settings(arguments).wandb_dir), arguments["id"]):
        offline = file.parent.name.startswith("offline-")
        if offline and not file.with_name(f"{file.name}.synced").exists():
            return f"{file.parent} was not sent to the wandb server"
    return None
