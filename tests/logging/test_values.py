"""The W&B logger, offline: what it is given is what lies in the run's file afterwards."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
import wandb
from avalanche.benchmarks import benchmark_from_datasets, nc_benchmark, with_task_labels
from avalanche.benchmarks.utils.classification_dataset import (
    _make_taskaware_classification_dataset,
)
from avalanche.evaluation.metric_results import AlternativeValues, TensorImage
from avalanche.evaluation.metrics import (
    StreamConfusionMatrix,
    WandBStreamConfusionMatrix,
    WeightCheckpoint,
    accuracy_metrics,
    confusion_matrix_metrics,
    forgetting_metrics,
    loss_metrics,
    timing_metrics,
)
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from matplotlib.figure import Figure
from PIL import Image
from torch.utils.data import TensorDataset

from avalanche_mas.logging.names import TASK, section_name
from avalanche_mas.metrics import AccuracyMatrix
from tests.logging.reading import history, log


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


def strategy_with(evaluator):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    return Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        evaluator=evaluator,
    )


def matrix_in(folder, logged):
    """The matrix in a logged table, without the numbers of its rows."""
    assert logged["_type"] == "table-file"
    (file,) = folder.glob(f"wandb/offline-run-*/files/{logged['path']}")
    content = json.loads(file.read_text())
    assert content["columns"] == ["row", *map(str, range(logged["ncols"] - 1))]
    assert [row[0] for row in content["data"]] == list(range(logged["nrows"]))
    return [row[1:] for row in content["data"]]


def test_a_training_is_in_the_file_as_avalanche_measured_it(tmp_path, quiet_logger):
    logger = quiet_logger(project_name="continual", run_name="small", config={"strength": 1.0})
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
    strategy, stream = strategy_with(evaluator), benchmark()
    for experience in stream.train_stream:
        strategy.train(experience)
        strategy.eval(stream.test_stream)
    logger.close()

    logged = history(tmp_path)
    assert logged.pop(TASK) == {6: 1, 12: 2}
    measured = {section_name(name): seen for name, seen in evaluator.get_all_metrics().items()}
    table = logged.pop("eval/W&BConfusionMatrix_Stream_table")
    assert {value["nrows"] for value in table.values()} == {9}
    assert set(logged) == {
        name for name in measured if "WeightCheckpoint" not in name and "W&B" not in name
    }
    for name, values in logged.items():
        steps, originals = measured[name]
        expected = dict(zip(steps, originals, strict=True))
        assert set(values) == set(expected), name
        if name.startswith("eval/ConfusionMatrix"):
            tables = {step: matrix_in(tmp_path, value) for step, value in values.items()}
            assert tables == {step: original.tolist() for step, original in expected.items()}
        else:
            assert values == pytest.approx(expected), name
    assert len(logged["train/Top1_Acc_MB/Task000"]) == 6


NUMBERS = {
    "python": [0.25, 3, True, Fraction(1, 4), 2**70],
    "numpy": [
        *(np.dtype(kind).type(0.25) for kind in ("float16", "float32", "float64", "longdouble")),
        *(np.int8(-3), np.uint64(3), np.bool_(True), np.array([0.25]), np.array([[3]])),
    ],
    "torch": [
        torch.tensor(0.25, dtype=dtype)
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    ]
    + [torch.tensor(0.25).to(torch.float8_e4m3fn), torch.tensor([3]), torch.tensor(True)]
    + [torch.tensor([0.25], requires_grad=True)],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type(tmp_path, quiet_logger, kind):
    logger = quiet_logger()
    for case, value in enumerate(NUMBERS[kind]):
        log(logger, f"case {case}", value, 4)
    logger.close()
    expected = [value.item() if hasattr(value, "item") else value for value in NUMBERS[kind]]
    assert history(tmp_path) == {f"case {case}": {4: v} for case, v in enumerate(expected)}


def test_tensors_on_every_device(tmp_path, quiet_logger, device):
    logger = quiet_logger()
    log(logger, "number", torch.tensor(0.25, device=device, dtype=torch.bfloat16))
    log(logger, "parameter", torch.nn.Parameter(torch.tensor([0.5], device=device)))
    log(logger, "matrix", torch.eye(2, device=device))
    log(logger, "vector", torch.tensor([0.0, 1.0, 1.0], device=device).half())
    log(logger, "image", TensorImage(torch.ones(3, 6, 8, device=device)))
    logger.close()
    logged = {name: values[0] for name, values in history(tmp_path).items()}
    assert (logged["number"], logged["parameter"]) == (0.25, 0.5)
    assert matrix_in(tmp_path, logged["matrix"]) == [[1.0, 0.0], [0.0, 1.0]]
    assert sum(logged["vector"]["values"]) == 3
    assert np.array_equal(picture(tmp_path, logged["image"]), np.full((6, 8, 3), 255))


def test_texts_and_alternatives(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "text", "a text")
    log(logger, "alternative", AlternativeValues({"not": "supported"}, np.float32(0.5)))
    logger.close()
    assert history(tmp_path) == {"text": {0: "a text"}, "alternative": {0: 0.5}}


def test_what_is_not_finite(tmp_path, quiet_logger):
    logger = quiet_logger()
    for name, value in (("nan", np.float32("nan")), ("inf", torch.tensor(-math.inf))):
        log(logger, name, value)
    logger.close()
    logged = history(tmp_path)
    assert math.isnan(float(logged["nan"][0]))
    assert float(logged["inf"][0]) == -math.inf


def test_a_value_is_logged_as_it_was(tmp_path, quiet_logger):
    logger = quiet_logger()
    matrix, image = torch.eye(2, dtype=torch.float64), Image.new("RGB", (2, 2), "red")
    log(logger, "matrix", matrix)
    log(logger, "image", image)
    matrix.zero_()
    image.paste("blue", (0, 0, 2, 2))
    logger.close()
    logged = history(tmp_path)
    assert matrix_in(tmp_path, logged["matrix"][0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert picture(tmp_path, logged["image"][0])[0, 0].tolist() == [255, 0, 0]


def picture(folder, logged):
    (file,) = folder.glob(f"wandb/offline-run-*/files/{logged['path']}")
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def test_pictures_histograms_and_charts(tmp_path, quiet_logger):
    logger = quiet_logger()
    figure = Figure(dpi=50)
    figure.subplots().plot([0, 1])
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 255
    log(logger, "figure", AlternativeValues(figure, torch.eye(3)))
    log(logger, "image", Image.fromarray(red))
    log(logger, "tensor image", TensorImage(torch.from_numpy(red).permute(2, 0, 1) / 255.0))
    log(logger, "bytes image", TensorImage(torch.from_numpy(red).permute(2, 0, 1)))
    log(logger, "vector", torch.tensor([0.0, 1.0, float("nan"), float("inf")]))
    log(logger, "flags", torch.tensor([True, False, True]))
    log(logger, "large", torch.zeros(257, 256))
    log(logger, "widget", wandb.Html("<b>bold</b>"))
    logger.close()

    logged = {name: values[0] for name, values in history(tmp_path).items()}
    assert (logged["figure"]["width"], logged["figure"]["height"]) == (320, 240)
    for name in ("image", "tensor image", "bytes image"):
        assert np.array_equal(picture(tmp_path, logged[name]), red)
    counted = {name: sum(logged[name]["values"]) for name in ("vector", "flags", "large")}
    assert counted == {"vector": 2, "flags": 3, "large": 257 * 256}
    assert logged["widget"]["_type"] == "html-file"


def test_matrices_are_tables(tmp_path, quiet_logger):
    logger = quiet_logger()
    log(logger, "accuracy", np.array([[0.5, np.nan], [0.25, 1.0]]))
    log(logger, "counts", torch.tensor([[3, 0], [1, 2]]))
    logger.close()
    logged = history(tmp_path)
    assert matrix_in(tmp_path, logged["accuracy"][0]) == [[0.5, None], [0.25, 1.0]]
    assert matrix_in(tmp_path, logged["counts"][0]) == [[3, 0], [1, 2]]


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("save_image", [True, False])
def test_confusion_matrices(tmp_path, quiet_logger, absolute, save_image):
    """Avalanche's own, where classes come in another order than their numbers."""
    metrics = confusion_matrix_metrics(
        num_classes=3,
        save_image=save_image,
        class_names=["a", "b", "c"],
        stream=True,
        wandb=True,
        absolute_class_order=absolute,
    )
    logger = quiet_logger()
    evaluator = EvaluationPlugin(metrics, loggers=[logger])
    x, y = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    data = TensorDataset(x, y)
    data.targets = y.tolist()
    order = [2, 0, 1]
    stream = nc_benchmark(data, data, 3, task_labels=False, fixed_class_order=order).test_stream
    strategy_with(evaluator).eval(stream)
    logger.close()
    values = evaluator.get_all_metrics()
    logged = history(tmp_path)
    name = "ConfusionMatrix_Stream"
    if save_image:
        assert logged[f"eval/{name}"][0]["_type"] == "image-file"
    else:
        expected = values[f"{name}/eval_phase/test_stream"][1][0].tolist()
        assert matrix_in(tmp_path, logged[f"eval/{name}"][0]) == expected
    assert logged[f"eval/W&B{name}_table"][0]["nrows"] == 9


@pytest.mark.parametrize("value", [object(), None, 1j, Decimal(1), torch.tensor([1j, 2j]), b"x"])
def test_what_cannot_be_logged_is_reported(quiet_logger, value):
    logger = quiet_logger(params={"mode": "disabled"})
    with pytest.warns(UserWarning, match=r"odd is not logged to wandb: \w+ of type"):
        log(logger, "odd", value)
