"""Starting a wandb run, even if its server does not answer, or joining one that is active."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import wandb
from wandb.errors import AuthenticationError, CommError
from wandb.sdk import wandb_setup
from wandb.sdk.mailbox.mailbox_handle import ServerResponseError
from wandb.sdk.wandb_init import _set_global_run
from wandb.sdk.wandb_run import TeardownHook, TeardownStage

from avalanche_mas.logging.history import run_files

_APPENDS = tuple(map(int, wandb.__version__.split(".")[:2])) < (0, 31)
SYNC = "wandb sync --include-online" + " --append" * _APPENDS
"""The command that sends a run's folders; before 0.31 wandb sends only the last without `--append`."""

ATTEMPTS, PAUSE, PATIENCE = 3, 1.0, 10.0
"""The number of attempts to reach a server, the seconds between them, and the seconds for each."""


LOGGED: set[str] = set()
"""The ids of the runs in which a logger of this process is at work."""


def usual_mode() -> str | None:
    """Return the mode of a logger that is given none: "disabled" beside a disabled run of the user's."""
    is_disabled = wandb.run is not None and wandb.run.disabled and wandb.run.id not in LOGGED
    return "disabled" if is_disabled else os.environ.get("WANDB_MODE") or None


def joined_run(arguments: dict[str, Any]) -> Any:
    """Return the active run if it is to be joined, with `config` added to its own, else None.

    Only `reinit="return_previous"` joins a run in which another logger is at work, or with an id other
    than the one in `arguments`; any other `reinit` joins none.

    Args:
        arguments: arguments of `wandb.init`, with `settings` as a dictionary.
    """
    active = _active()
    if active is None or arguments["mode"] == "disabled":
        return None
    is_free = active.id not in LOGGED and arguments.get("id", active.id) == active.id
    if arguments.get("reinit", "return_previous" if is_free else None) != "return_previous":
        return None
    if arguments["config"] is not None:
        active.config.update(arguments["config"], allow_val_change=True)
    return active


def start_run(arguments: dict[str, Any]) -> Any:
    """Start a run; if its server cannot be reached, start it offline with a warning.

    It becomes the global one, `wandb.run`, unless another is active or `arguments` say `reinit`. A run
    with an unsent part on this machine also continues offline, because the server must get the parts
    in order.

    Args:
        arguments: arguments of `wandb.init`, with `settings` as a dictionary.
    """
    if _goes_online(arguments):
        reason = _unsent(arguments) or unreachable(_settings(arguments).base_url)
        if reason is None:
            try:
                return _init(arguments)
            except AuthenticationError:
                raise
            except CommError as error:
                reason = str(error)
        return start_offline(arguments, reason)
    return _init(arguments)


def start_offline(arguments: dict[str, Any], reason: str) -> Any:
    """Start a run offline, with a warning that gives the reason and how to send the run later."""
    run = _init({**arguments, "mode": "offline"})
    warnings.warn(f"{reason}; run {run.id} goes on offline, {how_to_send(run)}", stacklevel=2)
    return run


def step_of(run: Any) -> int:
    """Return wandb's step of the next row, or the run's first if it does not say, as in mode "shared"."""
    first = int(run.starting_step)  # of a resumed run, whose `step` is 0 until its first row
    try:
        return max(first, int(run.step))
    except (TimeoutError, ServerResponseError):
        return first


def before_end(run: Any, finished: Callable[[], None], exits: Callable[[], None]) -> None:
    """Have functions called before a run ends, as long as it still takes values.

    Args:
        run: the run; a disabled one calls nothing.
        finished: called when `wandb.finish()`, `run.finish()` or the end of `with run:` finishes it.
        exits: called when the process ends.
    """
    if not run.disabled:
        run._teardown_hooks.append(TeardownHook(finished, TeardownStage.EARLY))
        atexit.register(exits)


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
        except (OSError, HTTPException) as error:
            reason = f"cannot be reached ({str(getattr(error, 'reason', error)).strip()})"
    return f"the wandb server {address} {reason}"


def forget_service() -> None:
    """Let wandb start a new process of its own in place of one that has ended."""
    with contextlib.suppress(OSError):
        wandb.teardown()


def _active() -> Any:
    """Return the run that `wandb.init` would return with `reinit="return_previous"`, or None."""
    return wandb_setup.singleton().most_recent_active_run


def _init(arguments: dict[str, Any]) -> Any:
    active = _active()
    run = wandb.init(
        **{"reinit": "return_previous" if active is None else "create_new", **arguments}
    )
    if run.disabled and active is not None:  # it has become the global one all the same
        _set_global_run(active)
    return run


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
