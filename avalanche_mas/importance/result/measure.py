"""What was measured: importances of different measures have different scales."""

from __future__ import annotations

from typing import NamedTuple

from avalanche_mas.options import check_option


class Measure(NamedTuple):
    """What an importance is the mean of."""

    output: str = "l2"
    """Whose gradient: "l2" for the squared norm of the network's output, "vector" for each of its
    outputs, "local" for each layer's own output, "likelihood" for the log-likelihood, squared."""
    granularity: str = "sample"
    """Whether the absolute value is that of each "sample" or of the sum over each "batch"."""
    labels: str = ""
    """The labels of the likelihood: "data", "drawn" or "expected"; "" for the others."""

    def __str__(self) -> str:
        batch = "batch" if self.granularity == "batch" else ""
        return ", ".join(filter(None, (self.output, batch, self.labels)))

    @classmethod
    def parse(cls, text: str) -> Measure:
        """Return the measure that `str` gives this text for, such as "l2" or "vector, batch".

        Raises:
            ValueError: there is none.
        """
        check_option("kind", text, MEASURES)
        return MEASURES[text]


MEASURES = {
    str(measure): measure
    for measure in (
        *(Measure(output, size) for size in ("sample", "batch") for output in ("l2", "vector")),
        Measure("local"),
        *(Measure("likelihood", labels=labels) for labels in ("data", "drawn", "expected")),
    )
}
"""All that can be measured, by its text, which is what files hold."""


def check_measure(one: Measure, two: Measure, first: str, second: str) -> None:
    """Refuse importances that are not of the same measure."""
    if one != two:
        raise ValueError(
            f"{first} is of kind {str(one)!r}, {second} of kind {str(two)!r}: their scales differ"
        )
