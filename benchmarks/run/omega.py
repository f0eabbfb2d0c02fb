"""Files of Ω in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from avalanche_mas.importance import LayerSummary, save_tensors, summarise
from avalanche_mas.plugins import ImportancePlugin
from benchmarks.record.files import or_null, read_json, write_json
from benchmarks.record.schema import OMEGA, OMEGA_ENTRIES, OmegaByLayer, OmegaOfLayer


def record_omega(folder: Path, training: int, plugin: ImportancePlugin) -> None:
    """Write Ω by layer after a training into a run folder.

    This replaces what an interrupted run recorded of this training and later ones.
    """
    before = _first(folder / OMEGA, training)
    # without N: Ω of several tasks has none of its own
    rows = summarise(plugin.importance, samples=0, measure=plugin.measure).rows
    content: OmegaByLayer = {"layers": [*before, [_of_layer(row) for row in rows]]}
    write_json(folder / OMEGA, content)


def check_omega(folder: Path, trainings: int) -> None:
    """Check that a run folder holds Ω by layer after each of the first trainings.

    Raises:
        ValueError: It does not.
    """
    _first(folder / OMEGA, trainings)


def save_omega(folder: Path, plugin: ImportancePlugin) -> Path:
    """Write Ω of all tasks, entry by entry, into a run folder and return the file.

    It is a safetensors file with Ω by parameter name. Its metadata give the measure, `kind`, and
    how the tasks were combined, `accumulation`.
    """
    file = folder / OMEGA_ENTRIES
    description = {"kind": str(plugin.measure), "accumulation": plugin.accumulation}
    save_tensors(file, plugin.importance, description)
    return file


def _first(file: Path, trainings: int) -> list[list[OmegaOfLayer]]:
    """Return the layers after each of the first trainings."""
    try:
        found = list(read_json(file)["layers"])[:trainings] if trainings else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} cannot be read ({error.__cause__ or error}); remove {file.parent} and run again"
        ) from error
    if len(found) < trainings:
        raise ValueError(
            f"{file} holds {len(found)} trainings, {trainings} were expected; remove {file.parent}"
            " and run again"
        )
    return found


def _of_layer(row: LayerSummary) -> OmegaOfLayer:
    values = {n: or_null(v) if isinstance(v, float) else v for n, v in row._asdict().items()}
    return cast(OmegaOfLayer, values)
