"""The measurement of the penalty's speed, on a small network: that it runs, not how fast."""

from benchmarks.commands.speed import penalty


def test_quick_measurement_and_its_table() -> None:
    said: list[str] = []
    found = penalty.measure(True, said.append)
    assert said == ["squeezenet1_1, 0.8 M parameters, 2 rounds"]
    assert found["seconds"].keys() == {
        "avalanche",
        "add_gradient",
        "loss form",
        "bare loop",
        "memory",
    }
    assert found["avalanche_over_gradient"]["median"] > 0
    table = penalty.table(found)
    assert table.count("\n|") == 5
    assert f"{1e-9 * found['bytes_per_second']:.1f} GB/s" in table
