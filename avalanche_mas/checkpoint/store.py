"""A folder of checkpoints: what its files are called, which are kept, and which can be read."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from avalanche_mas.checkpoint.codec import WRONG, CheckpointError
from avalanche_mas.files import TEMPORARY, parse_json
from avalanche_mas.tensor_files import read_tensors, write_tensors

_NAME = re.compile(r"experience-(\d{5,})(?:-step-(\d{9,}))?\.safetensors")
_CONTENT = "content"
_NONE = -1


class Place(NamedTuple):
    """A moment in a run: the number of an experience, and of the steps in it; none before the first."""

    experience: int
    steps: int = _NONE

    @property
    def begins(self) -> bool:
        """Whether it is before the first step."""
        return self.steps == _NONE

    @property
    def file(self) -> str:
        """The name of its file."""
        steps = "" if self.begins else f"-step-{self.steps:09d}"
        return f"experience-{self.experience:05d}{steps}.safetensors"

    def __str__(self) -> str:
        steps = "before its first step" if self.begins else f"after {self.steps} steps"
        return f"experience {self.experience}, {steps}"


class Kept(NamedTuple):
    """What a file holds: JSON, and the tensors that it names; and the file."""

    content: Any
    tensors: Mapping[str, Tensor]
    file: Path

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Name the file, and what to do, where it is not of this strategy or version.

        Raises:
            CheckpointError: It is not.
        """
        try:
            yield
        except WRONG as error:
            reason = error if isinstance(error, CheckpointError) else f"it holds {error!r}"
            raise CheckpointError(
                f"cannot resume from {self.file}: {reason}; remove {self.file.parent} to start over"
            ) from error


class Store:
    """A folder of checkpoints.

    Args:
        folder: The folder; it is made if it is missing.
        keep: How many places are kept, the newest ones.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def write(self, place: Place, content: Any, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint, and remove those that are no longer kept, or are of steps after it.

        Raises:
            OSError: It cannot be written, or the beginning of its experience could not be, without which
                no run can resume from it. Earlier checkpoints are still there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        begin = self.folder / Place(place.experience).file
        if not place.begins and not begin.is_file():
            raise OSError(f"{begin} is missing, which was to be written before")
        write_tensors(self.folder / place.file, tensors, {_CONTENT: json.dumps(content)})
        places = self.places()
        kept = [each for each in places if each <= place][-self.keep :]
        begins = {Place(each.experience) for each in kept}
        for old in places:
            if old not in kept and old not in begins and (self.folder / old.file).is_file():
                (self.folder / old.file).unlink(missing_ok=True)

    def read(self, place: Place) -> Kept:
        """Read a checkpoint.

        Raises:
            ValueError: It is damaged.
            OSError: It cannot be read.
        """
        file = self.folder / place.file
        tensors, texts = read_tensors(file)
        try:
            return Kept(parse_json(texts[_CONTENT]), tensors, file)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{file} is damaged ({error!r})") from error

    def places(self) -> list[Place]:
        """Return the places that there are files of, in the order of the run."""
        names = [_NAME.fullmatch(file.name) for file in self.folder.glob("experience-*")]
        return sorted(Place(int(m[1]), int(m[2] or _NONE)) for m in names if m)

    def newest(self) -> tuple[Place, Kept, Kept | None] | None:
        """Return the newest place that can be read, the beginning of its experience, and itself.

        A damaged file is passed over with a warning.

        Raises:
            CheckpointError: There are files, and none can be read.
        """
        places = self.places()
        for place in reversed(places):
            found = self._readable(place)
            if found is not None:
                return place, *found
        if places:
            raise CheckpointError(
                f"no checkpoint in {self.folder} can be read; remove the folder to start over"
            )
        return None

    def clean(self) -> None:
        """Remove what a process has left that was killed while it wrote; no other may write now."""
        with suppress(OSError):  # of a folder that can only be read
            for left in self.folder.glob(f"experience-*{TEMPORARY}"):
                left.unlink()

    def _readable(self, place: Place) -> tuple[Kept, Kept | None] | None:
        """Return the beginning of a place's experience, and the place; None if either cannot be read."""
        try:
            return self.read(Place(place.experience)), None if place.begins else self.read(place)
        except (ValueError, OSError) as error:
            warnings.warn(f"{error}; looking for an earlier checkpoint", stacklevel=4)
            return None
