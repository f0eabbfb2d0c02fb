"""The peak of memory, as the system tells it."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

from avalanche_mas import peak
from avalanche_mas.peak import peak_bytes

CPU = torch.device("cpu")


def test_it_is_read_where_linux_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9999 kB\nVmHWM:\t    2048 kB\n", encoding="utf-8")
    monkeypatch.setattr(peak, "STATUS", status)
    assert peak_bytes(CPU) == 2048 * 1024


def test_elsewhere_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource", reason="there is no getrusage on this system")
    monkeypatch.setattr(peak, "STATUS", tmp_path / "nowhere")
    assert peak_bytes(CPU) > 10e6  # torch alone takes more
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(peak_bytes(CPU))


@pytest.mark.gpu
def test_on_a_gpu_it_is_what_torch_has_allocated_there() -> None:
    device = torch.device("cuda")
    before = peak_bytes(device)
    held = torch.empty(int(before) + 10_000_000, dtype=torch.uint8, device=device)
    assert peak_bytes(device) >= held.numel()
