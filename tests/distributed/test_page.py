"""The code in docs/distributed.md runs in several processes; `tests/test_docs.py` runs it in one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.distributed.launching import torchrun

pytestmark = pytest.mark.skipif(os.name == "nt", reason="torchrun needs what Windows lacks")

PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
SAME = """
import hashlib
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters()))
line = f"parameters {digest.hexdigest()} of {dist.get_world_size()}\\n"
print(line, end="", flush=True)  # in one piece: two processes write
dist.destroy_process_group()
"""


@pytest.mark.parametrize("code", BLOCKS, ids=["avalanche", "loop"])
def test_code_trains_one_model_in_two_processes(code: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code + "import torch.distributed as dist\n" + SAME, encoding="utf-8")
    said = torchrun(2, script)
    digests = re.findall(r"parameters (\w{64}) of 2$", said, re.M)
    assert len(digests) == 2, said
    assert len(set(digests)) == 1
