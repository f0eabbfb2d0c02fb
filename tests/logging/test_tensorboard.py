"""The logger to TensorBoard: what its event files hold."""

from avalanche.evaluation.metric_results import AlternativeValues
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avalanche_mas.logging import TensorboardLogger
from tests.logging.reading import log


def test_tags_have_few_prefixes_and_tables_are_texts(tmp_path):
    logger = TensorboardLogger(tmp_path)
    log(logger, "Top1_Acc_Exp/eval_phase/test_stream/Task000/Exp000", 0.5, 3)
    log(logger, "Loss_MB/train_phase/train_stream", AlternativeValues(object(), 0.25), 4)
    log(logger, "Table/eval_phase/test_stream", AlternativeValues("a  b\n1  2"), 4)
    logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Scalars("eval/Top1_Acc_Exp/Task000/Exp000")[0].value == 0.5
    assert [(e.step, e.value) for e in events.Scalars("train/Loss_MB")] == [(4, 0.25)]
    assert events.Tags()["tensors"] == ["eval/Table/text_summary"]
    (text,) = events.Tensors("eval/Table/text_summary")
    assert text.tensor_proto.string_val[0] == b"    a  b\n    1  2"
