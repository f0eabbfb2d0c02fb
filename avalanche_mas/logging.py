"""A Weights & Biases logger for Avalanche that works with today's wandb.

Avalanche 0.6's own `WandBLogger` calls functions that wandb has removed (upstream issue 1674). This
one takes the same arguments, so that a script changes its import only.
"""

from __future__ import annotations

import os
import warnings
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wandb
from avalanche.evaluation.metric_results import AlternativeValues, TensorImage
from avalanche.logging import BaseLogger
from matplotlib.figure import Figure
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

__all__ = ["WandBLogger"]

CHARTS = (wandb.plot.CustomChart, wandb.Table)
SUPPORTED = (*CHARTS, Figure, Image, TensorImage, Tensor, np.ndarray, np.generic, Number, str)
WEIGHTS = "WeightCheckpoint"


class WandBLogger(BaseLogger):
    """Logs every metric of Avalanche's evaluation plugin to a Weights & Biases run.

    Numbers (NumPy's and one-element tensors too) and texts are logged as they are, images and
    figures as images, larger tensors as histograms of their finite elements, wandb's own charts and
    tables as such; of alternative values the first supported one. A value of any other type is
    reported with a warning. Values are placed at the training iteration they belong to; one
    that comes late joins the latest iteration, because wandb drops what goes backwards.

    Whether the run goes to a server is wandb's usual setting: `params={"mode": "offline"}` (or
    "online", "disabled"), else the environment's `WANDB_MODE`, else online. Each logger has a run
    of its own, `logger.run`, also when another one is active; with `params={"reinit":
    "return_previous"}` it joins the active one. Close it with `close()`, or use it as a context
    manager; otherwise wandb finishes the run when the process ends. A copy read from a pickle goes
    on with the same run id when it first logs.

    Args:
        project_name: name of the project.
        run_name: name of the run.
        log_artifacts: log the models that Avalanche's `WeightCheckpoint` metric emits as artifacts.
        path: folder for the files of those models.
        uri: address of external storage that each artifact refers to as well.
        sync_tfboard: also log what is written to TensorBoard.
        save_code: save the main script with the run.
        config: hyperparameters of the run.
        dir: folder for wandb's files, which are placed in its subfolder `wandb`.
        params: further arguments of `wandb.init`; they take precedence over all of the above.
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
    ) -> None:
        super().__init__()
        mode = (params or {}).get("mode", os.environ.get("WANDB_MODE"))
        if dir is not None:  # wandb would turn to the system's temporary folder
            Path(dir).mkdir(parents=True, exist_ok=True)
        self.log_artifacts = log_artifacts
        self.path = Path(path)
        self.uri = uri
        self.step = 0
        self.experiences = 0
        self.init_arguments: dict[str, Any] = {
            "project": project_name,
            "name": run_name,
            "sync_tensorboard": sync_tfboard,
            "save_code": save_code,
            "config": config,
            "dir": dir,
            "mode": mode,
            "reinit": "create_new",
            "settings": {"silent": mode not in (None, "online"), "console": "off"},
            **(params or {}),
        }
        self.closed = False
        self._run: Any = None
        self._open()

    @property
    def run(self) -> Any:
        """The wandb run.

        Raises:
            RuntimeError: the logger was closed.
        """
        if self.closed:
            raise RuntimeError(f"the logger of run {self.init_arguments['id']} is closed")
        if self._run is None:
            self._open()
        return self._run

    def _open(self) -> None:
        """Start the run, or go on with it after unpickling."""
        self._run = wandb.init(**self.init_arguments)
        self.init_arguments |= {"id": self._run.id, "resume": "allow"}
        self.step = max(self.step, self._run.step)

    def close(self) -> None:
        """Finish the run; wandb's own process writes the end of its file within a moment."""
        if self._run is not None:
            self._run.finish()
        self._run, self.closed = None, True

    def __enter__(self) -> WandBLogger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None}

    def after_training_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Count the experience; its metrics have been logged by then."""
        self.log_single_metric(
            "TrainingExperience", self.experiences, strategy.clock.train_iterations
        )
        self.experiences += 1

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Log one value at training iteration `x_plot`, or at the latest one if that is later."""
        self.step = max(self.step, int(x_plot))
        if name.startswith(WEIGHTS):
            if self.log_artifacts:
                self._log_weights(name, value)
            return
        if isinstance(value, AlternativeValues):
            value = value.best_supported_value(*SUPPORTED)
        if not isinstance(value, SUPPORTED):
            warnings.warn(
                f"{name} is not logged to wandb: values of type {type(value).__name__} are not"
                " supported",
                stacklevel=2,
            )
            return
        self.run.log({name: _for_wandb(value)}, step=self.step)

    def _log_weights(self, name: str, weights: bytes) -> None:
        """Log a pickled model as an artifact; `name` ends in the experience, `.../Exp003`."""
        experience = int(name.rpartition("Exp")[2])
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / f"Model_{experience}.pth"
        temporary = file.with_suffix(".tmp")
        temporary.write_bytes(weights)
        temporary.replace(file)
        artifact = wandb.Artifact(
            f"Model_{experience}",
            type="model",
            metadata={"experience": experience, "x_step": self.step},
        )
        artifact.add_file(str(file), name=f"Models/{file.name}")
        if self.uri is not None:
            artifact.add_reference(self.uri, name=f"External/{file.name}")
        self.run.log_artifact(artifact)


def _to_pil(image: Tensor) -> Image:
    """A picture of an image tensor [C, H, W]: bytes, or floats whose range [0, 1] is shown."""
    if image.is_floating_point():
        image = (image.float().clamp(0, 1) * 255).round().to(torch.uint8)
    pixels: Image = to_pil_image(image)
    return pixels


def _for_wandb(value: Any) -> Any:
    """The object to log for a value of a supported type."""
    if isinstance(value, (Image, Figure)):
        return wandb.Image(value)
    if isinstance(value, TensorImage):
        return wandb.Image(_to_pil(value.image.detach().cpu()))
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        if value.size == 1:
            return value.item()
        elements = np.asarray(value, dtype=np.float64)
        return wandb.Histogram(np_histogram=np.histogram(elements[np.isfinite(elements)]))
    return value
