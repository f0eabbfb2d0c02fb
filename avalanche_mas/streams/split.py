"""Which pictures: halves of an official test set, few classes, few pictures of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from avalanche_mas.streams.task import Sample


def halve(samples: Sequence[Sample], seed: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Deal the samples out alternately, class by class: n // 2 to validation, the rest to test.

    Within a class the order is that of SHA-256("seed/name"), so that the halves depend on the seed
    and the pictures' names alone: not on the order of the lists, the machine or library versions.
    No class is halved more unevenly than by one picture.

    Args:
        samples: the official test set.
        seed: another seed gives other halves.

    Returns:
        Validation and test samples.
    """

    def place(sample: Sample) -> tuple[int, str]:
        return sample.label, _place(seed, sample.picture.name)

    ordered = sorted(samples, key=place)
    return tuple(ordered[1::2]), tuple(ordered[0::2])


def choose_classes(names: Sequence[str], count: int, seed: int) -> tuple[int, ...]:
    """``count`` classes, those with the smallest SHA-256("seed/name"), in the order of ``names``.

    Raises:
        ValueError: there are not so many.
    """
    if count > len(names):
        raise ValueError(f"classes={count}, but there are only {len(names)}")
    ordered = sorted(range(len(names)), key=lambda label: _place(seed, names[label]))
    return tuple(sorted(ordered[:count]))


def with_classes(samples: Sequence[Sample], chosen: Sequence[int]) -> tuple[Sample, ...]:
    """The samples of the chosen classes, which are numbered from 0 in the order given."""
    number = {label: new for new, label in enumerate(chosen)}
    return tuple(Sample(s.picture, number[s.label]) for s in samples if s.label in number)


def choose_images(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """``count`` samples of each class, those with the smallest SHA-256("seed/name"), in their order.

    Raises:
        ValueError: a class has not so many.
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
    """16 digits that tell which picture is in which part with which label, whatever the order."""
    lines = [
        f"{part}\t{sample.label}\t{sample.picture.name}"
        for part, samples in parts.items()
        for sample in samples
    ]
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _place(seed: int, name: str) -> str:
    return sha256(f"{seed}/{name}".encode()).hexdigest()
