"""The logger: assigns values to steps of the run, and keeps what may not be safe."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from avalanche.logging import BaseLogger

from avalanche_mas.logging.artifacts import file_artifact, weights_artifact
from avalanche_mas.logging.kept_run import KeptRun
from avalanche_mas.logging.names import TASK, axis_of, section_name
from avalanche_mas.logging.runs import usual_mode
from avalanche_mas.logging.values import kept, saved, unsaved

WEIGHTS = "WeightCheckpoint"
FINISH_TIMEOUT = 300.0
"""Seconds that a run waits for its server at its end; what is unsent by then stays on this machine."""


class WandBLogger(BaseLogger):
    """A logger of every metric of Avalanche's evaluation plugin to a Weights & Biases run.

    Avalanche 0.6's own `WandBLogger` calls functions that wandb has removed (upstream issue 1674).
    This one takes the same arguments, so a script only changes its import; it works with wandb 0.27
    and later.

    **Values.** Numbers and texts are logged as they are, images and figures as images, matrices
    (such as confusion matrices) as tables, other arrays as histograms of their finite elements, and
    wandb's own charts, tables and media unchanged. Of alternative values the first supported one is
    logged. A value of any other type causes a warning.

    **Names.** W&B shows a section for each prefix, so phase and stream become the prefix:
    `eval/Top1_Acc_Exp/Task000/Exp000`, see `section_name`. In "train" the x-axis is the training
    iteration, which every row has as `train/step`; in the other sections it is the number of tasks
    learned so far, `train/task`, where each piece of an online stream counts as one.

    **Steps.** The values of a training iteration are sent as one row when the next begins or the run
    ends, at wandb's step of the same number. Rows of yours, by `wandb.log` without a step, move
    wandb's step ahead; the logger's then come at later steps of wandb, and none is lost. A late value
    joins the latest row, with a warning. Of two values of one name in one row the later one is logged.

    **Server.** wandb's usual settings decide whether the run goes to a server: `params={"mode":
    "offline"}` (or "online", "disabled"), else an active run that is disabled, else the environment's
    `WANDB_MODE`, else online. `tags`, `group`, `job_type`, `notes`, `id` and all other arguments of
    `wandb.init` go into `params` too. If the server cannot be reached, the run continues offline; if
    it fails later, the unsent rest stays in the run's folder. In both cases training goes on, and a
    warning gives the `wandb sync` command for sending the run later.

    **Run.** The logger's run is the global one, so `wandb.log`, `wandb.summary`, `wandb.watch` and
    `wandb.finish` work beside it. If a run is active already, such as from `wandb.init` or a sweep's
    agent, the logger joins it: of its own arguments only `config` counts, which is added to the run's.
    It begins a run of its own, which is not global, while another logger is at work in the active run,
    if `params` have another `id`, or with `params={"reinit": "create_new"}`; then use `logger.run.log`.

    **End.** `wandb.finish()` ends the run with all its rows, and so does the end of the process.
    `close()` and the end of a `with` block do the same for a run that the logger has begun, and leave a
    joined one open. A `with` block marks the run as failed after an exception. Logging to a run that
    is finished is an error.

    **Resuming.** With `load_state_dict`, which `avalanche_mas.checkpoint` calls, a logger goes on with
    the run of an earlier process, and so does an unpickled copy when it first logs. An offline run goes
    on in another folder. The state includes all that may not be on disk yet, so the process may be killed
    at any time. Values that it logged after the checkpoint are kept and not logged again: every value is
    in exactly one of the folders. (Online, if rows of yours have moved wandb's step ahead, those of the
    last half minute before a kill may come twice.) Give the logger an `id` in `params`, or else the run
    that it begins before it learns which one to go on with is ended empty.

    Args:
        project_name: name of the project.
        run_name: name of the run.
        log_artifacts: log the models that Avalanche's `WeightCheckpoint` metric emits as artifacts.
        path: folder for the files of those models.
        uri: address of external storage for each of those artifacts to reference too.
        sync_tfboard: also log what is written to TensorBoard.
        save_code: save the main script with the run.
        config: hyperparameters of the run.
        dir: folder for wandb's files, which go to its subfolder `wandb`.
        params: further arguments of `wandb.init`, which override all of the above. `settings` is a
            dictionary, merged with the logger's own.
        names: "avalanche" keeps Avalanche's names, and wandb's step as the only x-axis, for dashboards
            made before "sections"; until the next release.

    Attributes:
        init_arguments: the arguments of `wandb.init`. An unpickled copy uses them when it first logs,
            so its `mode` and `dir` can be changed before.
        step: the latest training iteration.

    Raises:
        ValueError: `names` is something else.
    """

    def __init__(
        self,
        project_name: str = "Avalanche",
        run_name: str = "Test",
        log_artifacts: bool = False,
        path: str | Path = "Checkpoints",
        uri: str | None = None,
        sync_tfboard: bool = False,
        save_code: bool = True,
        config: Any = None,
        dir: str | Path | None = None,  # noqa: A002 - Avalanche's argument
        params: dict[str, Any] | None = None,
        *,
        names: Literal["sections", "avalanche"] = "sections",
    ) -> None:
        super().__init__()
        if names not in ("sections", "avalanche"):
            raise ValueError(f"names is 'sections' or 'avalanche', got {names!r}")
        params = params or {}
        mode = params.get("mode", usual_mode())
        if dir is not None:  # wandb would use the system's temporary folder
            Path(dir).mkdir(parents=True, exist_ok=True)
        self.log_artifacts = log_artifacts
        self.path = Path(path)
        self.uri = uri
        self.names = names
        self.step = 0
        self.experiences = 0
        settings = {
            "silent": mode not in (None, "online"),
            "console": "off",
            "finish_timeout": FINISH_TIMEOUT,
            "finish_timeout_raises": True,
        }
        self.init_arguments: dict[str, Any] = {
            "project": project_name,
            "name": run_name,
            "sync_tensorboard": sync_tfboard,
            "save_code": save_code,
            "config": config,
            "dir": dir,
            "mode": mode,
            **params,
            "settings": settings | params.get("settings", {}),
        }
        self._row: dict[str, Any] = {}
        self._kept = KeptRun(self.init_arguments, self._send_row)

    @property
    def run(self) -> Any:
        """The wandb run.

        Raises:
            RuntimeError: the logger was closed.
        """
        return self._kept.wandb

    def close(self, exit_code: int = 0) -> None:
        """Finish the run, or leave one that was joined; do nothing if it is finished.

        wandb's own process completes the run's file shortly afterwards.

        Args:
            exit_code: anything but 0 marks the run as failed.
        """
        self._send_row()
        self._kept.close(exit_code)

    def __enter__(self) -> WandBLogger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(exit_code=int(kind is not None))

    def state_dict(self) -> dict[str, Any]:
        """Return which run it is, how far it has come, and the rows that may not be on disk yet.

        Wandb's own charts and media in these rows are not part of it, but for tables and histograms.
        """
        return {
            "id": self.init_arguments["id"],
            "step": self.step,
            "experiences": self.experiences,
            "shifted": self._kept.shifted,
            "row": saved(self._row),
            "unsaved": {step: saved(row) for step, row in self._kept.unsaved.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the run of a `state_dict`."""
        rows = {step: unsaved(row) for step, row in state["unsaved"].items()}
        self._kept.go_on(state["id"], rows, state.get("shifted", False))
        self.step, self.experiences = state["step"], state["experiences"]
        self._row = unsaved(state["row"])

    def after_training_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Count the experience, whose metrics have been logged by now."""
        if self.names == "avalanche":
            iterations = strategy.clock.train_iterations
            self.log_single_metric("TrainingExperience", self.experiences, iterations)
        self.experiences += 1
        if TASK in self._row:
            self._row[TASK] = self.experiences

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Log one value at training iteration `x_plot`, or at the latest one if that is later."""
        self._kept.open()
        if x_plot > self.step:
            self._send_row()
            self.step = int(x_plot)
        if name.startswith(WEIGHTS):
            if self.log_artifacts:
                artifact = weights_artifact(name, value, self.path, self.uri, self.step)
                self._kept.send_artifact(artifact)
            return
        if x_plot < self.step:
            warnings.warn(
                f"{name} of iteration {x_plot} comes after iteration {self.step}, and is logged"
                " there; give each strategy a logger of its own",
                stacklevel=2,
            )
        shown_as = section_name(name) if self.names == "sections" else name
        try:
            self._row[shown_as] = kept(value)
        except TypeError as error:
            warnings.warn(f"{name} is not logged to wandb: {error}", stacklevel=2)
        if axis_of(shown_as) == TASK:
            self._row[TASK] = self.experiences

    def _send_row(self) -> None:
        """Send the values collected for the latest step."""
        row, self._row = self._row, {}
        if row:
            self._kept.send(self.step, row)

    def log_artifact(
        self,
        path: str | Path,
        name: str | None = None,
        type: str = "model",  # noqa: A002 - wandb's word
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Log a file, or a folder with all files below it, as a new version of an artifact.

        Its content is copied at once to wandb's folder for artifacts (`WANDB_DATA_DIR`). `wandb sync`
        sends it with an offline run; a disabled run ignores it.

        Args:
            path: the file or folder.
            name: the artifact's name, unique in the project; by default that of the file.
            type: the kind of artifact: "model", "importance", "checkpoint"...
            metadata: facts to store with it.

        Raises:
            FileNotFoundError: there is no such file or folder.
        """
        self._kept.send_artifact(file_artifact(Path(path), name, type, metadata))
