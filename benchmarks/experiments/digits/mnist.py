"""MNIST in torchvision's layout: `MNIST/raw` under a root, each file plain or as `.gz`."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.digits.parts import Digits, DigitSet, deal

NAME = "mnist"
"""Its name for `--stand-ins`."""

OFFICIAL = {"train": 60_000, "t10k": 10_000}
"""Images in the official files."""

HELD_OUT = ("train",) * 11 + ("valid",)
"""How the official training images are dealt out: every twelfth of a digit is for validation."""

DIVIDED = ("train",) * 6 + ("valid",) + ("test",) * 3
"""How the stand-in deals out the official test images of each digit."""


def fetch_mnist(root: Path) -> None:
    """Download MNIST to `root/MNIST/raw` with torchvision, unless it is there.

    Raises:
        FileNotFoundError: The root does not exist.
        OSError: The download or writing fails.
    """
    from torchvision.datasets import MNIST

    _existing(root)
    try:
        MNIST(root, download=True)
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise OSError(
            f"MNIST could not be downloaded to {root / 'MNIST' / 'raw'} ({reason}); put its four "
            "files there by hand, or leave out --root for digits drawn by code"
        ) from error


def read_mnist(root: Path) -> Digits:
    """Read MNIST, its official test set whole and a twelfth of the training set for validation.

    Raises:
        FileNotFoundError: The root or a file is missing.
        ValueError: A file cannot be understood.
    """
    test, train = _read(root, "t10k"), _read(root, "train")
    sizes = {"train": len(train.labels), "t10k": len(test.labels)}
    complete = sizes == OFFICIAL
    agreement = f"not complete: {sizes['train']} official training and {sizes['t10k']} test images"
    if complete:
        agreement = "complete; a twelfth of the official training images is held out for validation"
    parts = {"test": test, **deal(train, HELD_OUT)}
    return Digits(parts, "real", stand_in=False, complete=complete, agreement=agreement)


def read_stand_in(root: Path) -> Digits:
    """Split the official test images into training, validation and test images.

    All three have the same writers, so no number from them is a result on MNIST.

    Raises:
        FileNotFoundError: The root or a file is missing.
        ValueError: A file cannot be understood.
    """
    parts = deal(_read(root, "t10k"), DIVIDED)
    return Digits(parts, "real", stand_in=True, complete=False, agreement="stand-in")


def _read(root: Path, which: str) -> DigitSet:
    raw = _existing(root) / "MNIST" / "raw"
    images = _array(_file(raw, f"{which}-images-idx3-ubyte"), 3)
    labels = _array(_file(raw, f"{which}-labels-idx1-ubyte"), 1).astype(np.int64)
    if len(images) != len(labels) or labels.max(initial=0) > 9:
        raise ValueError(
            f"{raw}: {which} has {len(images)} images and {len(labels)} labels of up to "
            f"{labels.max(initial=0)}, expected as many of 0 to 9; fetch MNIST again"
        )
    return DigitSet(images, labels)


def _existing(root: Path) -> Path:
    if not root.is_dir():
        raise FileNotFoundError(f"the data folder {root} does not exist")
    return root


def _file(raw: Path, name: str) -> Path:
    for file in (raw / name, raw / f"{name}.gz"):
        if file.is_file():
            return file
    test_only = name.startswith("train") and any(raw.glob("t10k-images-idx3-ubyte*"))
    hint = (
        f", or use --stand-ins {NAME} to split the test images, which are there, into training, "
        "validation and test images"
        if test_only
        else ", or leave out --root for digits drawn by code"
    )
    raise FileNotFoundError(
        f"MNIST: there is no {raw / name}, nor one with .gz; put it there, use --download to "
        f"have torchvision fetch MNIST{hint}"
    )


def _array(file: Path, axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes: 0, 0, 8, the number of axes, the length of each, the values."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{file} cannot be read ({error}); remove it and fetch it again"
        ) from error
    start = 4 + 4 * axes
    shape = np.frombuffer(data[4:start], ">i4").tolist() if len(data) >= start else []
    if data[:4] != bytes((0, 0, 8, axes)) or len(data) - start != np.prod(shape):
        raise ValueError(
            f"{file} is not a whole IDX file of {axes} axes; remove it, fetch it again"
        )
    values: NDArray[np.uint8] = np.frombuffer(bytearray(data), np.uint8, offset=start)
    return values.reshape(shape)
