"""The speed suite of a convolution's ways."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.commands.speed import layers, main


def test_every_way_of_every_layer_is_measured(tmp_path: Path) -> None:
    assert main(["layers", "--quick", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "layers.json").read_text(encoding="utf-8"))
    rows = found["networks"]["squeezenet1_1"]["layers"]
    assert sum(row["uses"] for row in rows) == 26  # its convolutions
    ways = {layers.CHOSEN, layers.PRODUCTS, layers.OWN, layers.BATCH}
    assert all(set(row["seconds"]) == ways for row in rows)


def test_the_bound_is_not_taken_for_a_way() -> None:
    def layer(uses: int, **seconds: float) -> dict[str, object]:
        return {
            "uses": uses,
            "seconds": {name.replace("_", " "): [s] for name, s in seconds.items()},
        }

    first = layer(2, chosen=0.2, products=0.2, own_gradient=0.4, whole_batch=0.1)
    second = layer(1, chosen=0.8, own_gradient=0.3, whole_batch=0.1)  # has groups
    table = layers.table({"networks": {"net": {"samples": 10, "layers": [first, second]}}})
    cells = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert cells == ["net", "10", "120.0", "70.0", "70.0", "110.0", "30.0", "1 of 2"]
