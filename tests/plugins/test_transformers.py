"""The worked example with a classifier of transformers, against the loop of batch size one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.plugins.cases import assert_close
from tests.reference import slow_global_importance

pytest.importorskip("transformers")

PAGE = Path(__file__).parents[2] / "docs" / "your-own.md"


@pytest.mark.usefixtures("double")
@pytest.mark.filterwarnings("ignore")
def test_the_importance_of_a_text_classifier() -> None:
    torch.manual_seed(0)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (code,) = [block for block in blocks if "transformers" in block]
    scope: dict[str, Any] = {"__name__": "example"}
    exec(code, scope)
    texts = scope["texts"][1]

    def forward(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return model(**batch).logits

    batch = {"input_ids": texts.words, "attention_mask": texts.mask}
    expected = slow_global_importance(scope["model"], [batch], forward)
    assert scope["plugin"].quadratic_penalty.importance
    assert_close(scope["plugin"]._memory.estimate, expected, rtol=1e-9)
