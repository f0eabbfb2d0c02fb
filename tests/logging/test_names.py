"""The names of metrics in W&B and TensorBoard."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avalanche_mas.logging.names import STEP, TASK, axis_of, section_name

NAMES = {
    "Top1_Acc_MB/train_phase/train_stream/Task000": "train/Top1_Acc_MB/Task000",
    "Loss_Epoch/train_phase/train_stream/Task001": "train/Loss_Epoch/Task001",
    "Top1_Acc_Exp/eval_phase/test_stream/Task000/Exp001": "eval/Top1_Acc_Exp/Task000/Exp001",
    "Top1_ClassAcc_Stream/eval_phase/test_stream/Task000/7": "eval/Top1_ClassAcc_Stream/Task000/7",
    "Loss_Exp/eval_phase/valid_stream/Exp000": "eval_valid/Loss_Exp/Exp000",
    "Loss_Exp/eval_phase/train_stream/Exp000": "eval_train/Loss_Exp/Exp000",
    "Omega_Mean/train_phase/train_stream": "task/Omega_Mean",
    "Omega_Mean/train_phase/train_stream/body.0": "layers/Omega_Mean/body.0",
    "Loss_MB/train_phase/other_stream/Task000": "train_other/Loss_MB/Task000",
    "TrainingExperience": "TrainingExperience",
    "mine/of/another/kind": "mine/of/another/kind",
}
PARTS = st.from_regex(r"[A-Za-z0-9_.&]{1,6}", fullmatch=True)
SCHEME = st.builds(
    "{}/{}_phase/{}_stream{}".format,
    st.one_of(PARTS, st.sampled_from(["Loss_MB", "Loss_Epoch"])),
    st.sampled_from(["train", "eval"]),
    st.one_of(PARTS, st.sampled_from(["train", "test"])),
    st.lists(st.one_of(PARTS, st.sampled_from(["Task000", "Exp001"])), max_size=3).map(
        lambda parts: "".join(f"/{part}" for part in parts)
    ),
)


@pytest.mark.parametrize(("name", "section"), NAMES.items())
def test_phase_and_stream_become_the_prefix(name, section):
    assert section_name(name) == section


@given(SCHEME, SCHEME)
def test_no_two_names_become_the_same(first, second):
    assert (section_name(first) == section_name(second)) == (first == second)


@given(SCHEME)
def test_prefixes_are_few_and_have_an_axis(name):
    section = section_name(name)
    assert re.match(r"(train|eval|task|layers)(_[^/]+)?/", section)
    assert axis_of(section) == (STEP if section.startswith("train") else TASK)


@pytest.mark.parametrize("name", ["x", "train", "mine/x", "trained/x"])
def test_other_names_keep_wandbs_axis(name):
    assert axis_of(name) is None
