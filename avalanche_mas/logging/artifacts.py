"""Artifacts of a run, made from files: their content is copied or referenced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wandb

from avalanche_mas.files import replacing


def file_artifact(
    path: Path,
    name: str | None,
    type: str,  # noqa: A002 - wandb's word
    metadata: dict[str, Any] | None,
) -> Any:
    """Return an artifact of a file, or of a folder with all files below it.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} cannot be logged to wandb: it does not exist")
    artifact = wandb.Artifact(name or path.name, type=type, metadata=metadata)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            within = file.relative_to(path).as_posix() if path.is_dir() else file.name
            artifact.add_file(str(file), name=within)
    return artifact


def weights_artifact(name: str, weights: bytes, folder: Path, uri: str | None, step: int) -> Any:
    """Write a pickled model to a file in the folder and return an artifact of it.

    Args:
        name: the metric's name, ending in the experience, `.../Exp003`.
        weights: the pickled model.
        folder: the folder.
        uri: address of external storage for the artifact to reference too.
        step: the step at which it is logged.
    """
    experience = int(name.rpartition("Exp")[2])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"Model_{experience}.pth"
    with replacing(file) as temporary:
        temporary.write_bytes(weights)
    metadata = {"experience": experience, "x_step": step}
    artifact = wandb.Artifact(f"Model_{experience}", type="model", metadata=metadata)
    artifact.add_file(str(file), name=f"Models/{file.name}")
    if uri is not None:
        artifact.add_reference(uri, name=f"External/{file.name}")
    return artifact
