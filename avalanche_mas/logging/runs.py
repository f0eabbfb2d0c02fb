"""Starting a wandb run, whether or not its server answers."""

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
"""The command that sends the folders of a run; without `--append` wandb before 0.31 sends the last."""

ATTEMPTS, PAUSE, PATIENCE = 3, 1.0, 10.0
"""How often a server is asked whether it is there, and the seconds between and for it."""


def start_run(arguments: dict[str, Any]) -> Any:
    """Start a run, offline where its server cannot be reached, and say so.

    A run that lies here with a part that was never sent goes on offline too: the server has to get
    its parts in order.

    Args:
        arguments: Those of `wandb.init`, and `settings` as a dictionary.
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
    """Start a run offline, with a warning that says why, and how it gets to the server later."""
    run = wandb.init(**{**arguments, "mode": "offline"})
    warnings.warn(f"{reason}; run {run.id} goes on offline, {how_to_send(run)}", stacklevel=2)
    return run


def how_to_send(run: Any) -> str:
    """Return the command that sends a run's folders to the server, as the end of a sentence."""
    folders = Path(run.settings.wandb_dir) / f"*run-*-{run.id}"
    return f"complete on this machine; to send it later: {SYNC} {folders}"


def unreachable(address: str) -> str | None:
    """Return why a server cannot be used, `None` if it answers.

    wandb itself would wait for minutes, and some of its versions would never let the process end.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            urllib.request.urlopen(address, timeout=PATIENCE).close()
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
    """Let wandb start its own process anew, which has ended."""
    with contextlib.suppress(OSError):
        wandb.teardown()


def _settings(arguments: dict[str, Any]) -> Any:
    """Return the settings as `wandb.init` will have them."""
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
