"""The W&B logger, offline: what it is given is what lies in the run's file afterwards."""

import json
import pickle
import struct
import time

import numpy as np
import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils.classification_dataset import (
    _make_taskaware_classification_dataset,
)
from avalanche.evaluation.metric_results import AlternativeValues, MetricValue, TensorImage
from avalanche.evaluation.metrics import (
    StreamConfusionMatrix,
    WandBStreamConfusionMatrix,
    WeightCheckpoint,
    accuracy_metrics,
    forgetting_metrics,
    loss_metrics,
    timing_metrics,
)
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from google.protobuf.message import DecodeError
from matplotlib.figure import Figure
from PIL import Image
from torch.utils.data import TensorDataset
from wandb.proto.wandb_internal_pb2 import Record

from avalanche_mas.logging import WandBLogger
from avalanche_mas.metrics import AccuracyMatrix

BLOCK, RECORD_HEADER, FILE_HEADER = 32768, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(file):
    """The records of a `.wandb` file: LevelDB's log format, behind a header of 7 bytes."""
    data, at, parts = file.read_bytes(), FILE_HEADER, []
    while at < len(data):
        if BLOCK - at % BLOCK < RECORD_HEADER:  # a block's tail too small for a header is padding
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts.append(data[at + RECORD_HEADER : at + RECORD_HEADER + length])
        at += RECORD_HEADER + length
        if kind in (FULL, LAST):
            yield Record.FromString(b"".join(parts))
            parts = []


def finished_records(folder):
    """The records of the only run below `folder`; wandb writes the last ones just after closing."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            found = list(records(file))
        except (struct.error, DecodeError):  # half written
            found = []
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"{file} lacks its exit record")


def history(folder):
    """{name: {step: value}} of the only run below `folder`."""
    found = {}
    for record in finished_records(folder):
        items = [(i.nested_key or [i.key], json.loads(i.value_json)) for i in record.history.item]
        step = next((value for key, value in items if key[0] == "_step"), None)
        for (name, *part), value in items:
            if part:  # of a picture or a histogram
                found.setdefault(name, {}).setdefault(step, {})[part[0]] = value
            elif not name.startswith("_"):
                found.setdefault(name, {})[step] = value
    return found


@pytest.fixture
def quiet_logger(tmp_path, capfd):
    """Makes offline loggers in `tmp_path`, and checks that nothing was printed."""
    loggers = []

    def make(**arguments):
        arguments = {"params": {"mode": "offline"}, "dir": tmp_path, "save_code": False} | arguments
        loggers.append(WandBLogger(**arguments))
        return loggers[-1]

    yield make
    for logger in loggers:
        logger.close()
    printed = capfd.readouterr()
    assert "wandb" not in printed.out + printed.err


def log(logger, name, value, step=0):
    logger.log_metrics([MetricValue(None, name, value, step)])


def benchmark():
    generator = torch.Generator().manual_seed(0)

    def datasets():
        for task in range(2):
            x = torch.randn(12, 4, generator=generator)
            y = torch.randint(3, (12,), generator=generator)
            data = TensorDataset(x, y)
            data.targets = y.tolist()
            yield _make_taskaware_classification_dataset(data, task_labels=task)

    return with_task_labels(benchmark_from_datasets(train=list(datasets()), test=list(datasets())))


def test_a_training_is_in_the_file_as_avalanche_measured_it(tmp_path, quiet_logger):
    logger = quiet_logger(project_name="continual", run_name="small", config={"strength": 1.0})
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    evaluator = EvaluationPlugin(
        accuracy_metrics(minibatch=True, epoch=True, experience=True, stream=True),
        loss_metrics(minibatch=True, epoch=True, experience=True, stream=True),
        forgetting_metrics(experience=True, stream=True),
        timing_metrics(epoch=True),
        StreamConfusionMatrix(num_classes=3, save_image=False),
        WandBStreamConfusionMatrix(),
        AccuracyMatrix(),
        WeightCheckpoint(),
        loggers=[logger],
    )
    strategy = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        evaluator=evaluator,
    )
    stream = benchmark()
    for experience in stream.train_stream:
        strategy.train(experience)
        strategy.eval(stream.test_stream)
    logger.close()

    logged = history(tmp_path)
    assert logged.pop("TrainingExperience") == {6: 0, 12: 1}
    measured = evaluator.get_all_metrics()
    table = logged.pop("W&BConfusionMatrix_Stream/eval_phase/test_stream_table")
    assert {value["nrows"] for value in table.values()} == {9}
    assert set(logged) == {
        name for name in measured if not name.startswith(("WeightCheckpoint", "W&B"))
    }
    for name, values in logged.items():
        steps, originals = measured[name]
        expected = dict(zip(steps, originals, strict=True))
        assert set(values) == set(expected), name
        if name.startswith("ConfusionMatrix"):
            assert {value["_type"] for value in values.values()} == {"histogram"}
        else:
            assert values == pytest.approx(expected), name
    assert len(logged["Top1_Acc_MB/train_phase/train_stream/Task000"]) == 6


def test_numbers_and_texts(tmp_path, quiet_logger):
    cases = [
        (0.25, 0.25),
        (3, 3),
        (True, True),
        (np.float32(0.25), 0.25),
        (np.float64(0.25), 0.25),
        (np.int64(3), 3),
        (np.array([0.25]), 0.25),
        (torch.tensor(0.25), 0.25),
        (torch.tensor([3]), 3),
        (torch.tensor([0.25], requires_grad=True), 0.25),
        (torch.tensor(0.25, dtype=torch.bfloat16), 0.25),
        ("a text", "a text"),
        (AlternativeValues({"not": "supported"}, np.float32(0.5)), 0.5),
    ]
    logger = quiet_logger()
    for case, (value, _) in enumerate(cases):
        log(logger, f"case {case}", value, 4)
    logger.close()
    assert history(tmp_path) == {
        f"case {case}": {4: expected} for case, (_, expected) in enumerate(cases)
    }


def test_pictures_histograms_and_charts(tmp_path, quiet_logger):
    logger = quiet_logger()
    figure = Figure()
    figure.subplots().plot([0, 1])
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 255
    log(logger, "figure", AlternativeValues(figure, torch.eye(3)))
    log(logger, "image", Image.fromarray(red))
    log(logger, "tensor image", TensorImage(torch.from_numpy(red).permute(2, 0, 1) / 255.0))
    log(logger, "tensor", torch.tensor([[0.0, 1.0], [float("nan"), float("inf")]]))
    log(logger, "flags", torch.tensor([True, False, True]))
    logger.close()

    logged = {name: values[0] for name, values in history(tmp_path).items()}
    assert logged["figure"]["_type"] == "image-file"
    for name in ("image", "tensor image"):
        assert (logged[name]["width"], logged[name]["height"]) == (8, 6)
        (file,) = tmp_path.glob(f"wandb/offline-run-*/files/{logged[name]['path']}")
        with Image.open(file) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), red)
    assert sum(logged["tensor"]["values"]) == 2
    assert sum(logged["flags"]["values"]) == 3


def test_late_values_join_the_latest_step(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "a", 0.1, 5)
    log(logger, "b", 0.2, 3)
    log(logger, "a", 0.3, 6)
    logger.close()
    assert history(tmp_path) == {"a": {5: 0.1, 6: 0.3}, "b": {5: 0.2}}


def test_what_cannot_be_logged_is_reported(quiet_logger):
    logger = quiet_logger()
    with pytest.warns(UserWarning, match="odd is not logged to wandb: values of type object"):
        log(logger, "odd", object())


def test_two_loggers_have_a_run_each(tmp_path, quiet_logger):
    first, second = quiet_logger(dir=tmp_path / "1"), quiet_logger(dir=tmp_path / "2")
    assert first.run.id != second.run.id
    log(first, "x", 1)
    log(second, "x", 2)
    first.close()
    second.close()
    assert history(tmp_path / "1") == {"x": {0: 1}}
    assert history(tmp_path / "2") == {"x": {0: 2}}


def test_closing(quiet_logger):
    with quiet_logger() as logger:
        log(logger, "x", 1)
    logger.close()
    with pytest.raises(RuntimeError, match="is closed"):
        log(logger, "x", 2)


def test_a_pickled_copy_goes_on_with_the_run_when_it_logs(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "x", 1, 7)
    run_id = logger.run.id
    state = pickle.dumps(logger)
    logger.close()
    copy = pickle.loads(state)
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1
    log(copy, "x", 2, 6)
    assert (copy.run.id, copy.step) == (run_id, 7)
    copy.close()


def test_disabled_writes_nothing(tmp_path, quiet_logger):
    logger = quiet_logger(params={"mode": "disabled"})
    log(logger, "x", 1)
    logger.close()
    assert not list(tmp_path.iterdir())


def test_the_environment_chooses_the_mode(tmp_path, quiet_logger, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = quiet_logger(params=None)
    log(logger, "x", 1)
    logger.close()
    assert history(tmp_path) == {"x": {0: 1}}


@pytest.mark.parametrize("log_artifacts", [True, False])
def test_weights_become_artifacts_when_asked(tmp_path, quiet_logger, log_artifacts):
    models = tmp_path / "models"
    logger = quiet_logger(log_artifacts=log_artifacts, path=models)
    log(logger, "WeightCheckpoint/train_phase/train_stream/Exp003", b"weights", 2)
    logger.close()
    logged = [
        record.artifact for record in finished_records(tmp_path) if record.HasField("artifact")
    ]
    if not log_artifacts:
        assert not logged
        assert not models.exists()
        return
    (artifact,) = logged
    assert (artifact.name, artifact.type) == ("Model_3", "model")
    assert [entry.path for entry in artifact.manifest.contents] == ["Models/Model_3.pth"]
    assert [file.name for file in models.iterdir()] == ["Model_3.pth"]
    assert (models / "Model_3.pth").read_bytes() == b"weights"


def test_artifacts_refer_to_external_storage(tmp_path, quiet_logger):
    bucket = tmp_path / "bucket.pth"
    bucket.write_bytes(b"stored elsewhere")
    logger = quiet_logger(log_artifacts=True, path=tmp_path / "models", uri=bucket.as_uri())
    log(logger, "WeightCheckpoint/train_phase/train_stream/Exp000", b"weights")
    logger.close()
    found = finished_records(tmp_path)
    (artifact,) = [record.artifact for record in found if record.HasField("artifact")]
    entries = {entry.path: entry.ref for entry in artifact.manifest.contents}
    assert entries == {"Models/Model_0.pth": "", "External/Model_0.pth": bucket.as_uri()}
