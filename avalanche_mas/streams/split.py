"""Selecting pictures: halves of the official test set, and subsets of classes and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from avalanche_mas.streams.task import Sample


def halve(samples: Sequence[Sample], seed: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Deal the samples out alternately, class by class: n // 2 to validation, the rest to test.

    Within a class the order is that of SHA-256("seed/name"). So the halves depend on the seed and the
    pictures' names alone, not on the order of the lists, the machine or library versions. The halves
    of a class differ by at most one picture.

    Args:
        samples: the official test set.
        seed: a different seed gives different halves.

    Returns:
        Validation and test samples.
    """

    def place(sample: Sample) -> tuple[int, str]:
        return sample.label, _place(seed, sample.picture.name)

    ordered = sorted(samples, key=place)
    return tuple(ordered[1::2]), tuple(ordered[0::2])


def choose_classes(names: Sequence[str], count: int, seed: int) -> tuple[int, ...]:
    """Return the ``count`` classes with the smallest SHA-256("seed/name"), in the order of ``names``.

    Raises:
        ValueError: there are fewer.
    """
    if count > len(names):
        raise ValueError(f"classes={count}, but there are only {len(names)}")
    ordered = sorted(range(len(names)), key=lambda label: _place(seed, names[label]))
    return tuple(sorted(ordered[:count]))


def with_classes(samples: Sequence[Sample], chosen: Sequence[int]) -> tuple[Sample, ...]:
    """Return the samples of the chosen classes, renumbered from 0 in the order given."""
    number = {label: new for new, label in enumerate(chosen)}
    return tuple(Sample(s.picture, number[s.label]) for s in samples if s.label in number)


def choose_images(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """Return the ``count`` samples per class with the smallest SHA-256("seed/name"), in their order.

    Raises:
        ValueError: a class has fewer.
    """
    by_class: dict[int, list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.label, []).append(sample)
    chosen: set[str] = set()
    for label, group in by_class.items():
        if count > len(group):
            raise ValueError(
                f"images_per_class={count}, but class {label} has only {len(group)} for training"
            )
        names = [sample.picture.name for sample in group]
        chosen.update(sorted(names, key=lambda name: _place(seed, name))[:count])
    return tuple(sample for sample in samples if sample.picture.name in chosen)


def digest(parts: Mapping[str, Sequence[Sample]]) -> str:
    """Return 16 hex digits that identify the parts' pictures and labels, whatever their order."""
    lines = [
        f"{part}\t{sample.label}\t{sample.picture.name}"
        for part, samples in parts.items()
        for sample in samples
    ]
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _place(seed: int, name: str) -> str:
    return sha256(f"{seed}/{name}".encode()).hexdigest()
