"""The networks, and where their first weights come from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor

from avalanche_mas.streams import TaskStream
from benchmarks.models import (
    MODELS,
    MultiHeadNetwork,
    describe_weights,
    find_weights,
    small_cnn,
    squeezenet,
)

SHARED_WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"


def with_heads(stream: TaskStream) -> MultiHeadNetwork:
    network = small_cnn()
    for experience in stream.train_stream:
        network.adaptation(experience)
        network.classifier.adaptation(experience)
    return network


def test_a_batch_of_one_task_gives_that_heads_outputs_alone(stream: TaskStream) -> None:
    network, x = with_heads(stream), torch.randn(5, 3, 16, 16)
    for task, classes in enumerate((3, 4)):
        labels = torch.full((5,), task)
        assert network(x, labels).shape == (5, classes)
        head = network.classifier.classifiers[str(task)].classifier
        torch.testing.assert_close(network(x, labels), head(network.features(x)))
        torch.testing.assert_close(network(x, task), network(x, labels))


def test_a_mixed_batch_is_each_tasks_outputs_filled_up_with_what_no_softmax_sees(
    stream: TaskStream,
) -> None:
    network, x = with_heads(stream), torch.randn(6, 3, 16, 16)
    labels = torch.tensor([0, 1, 1, 0, 0, 1])
    out = network(x, labels)
    assert out.shape == (6, 4)
    torch.testing.assert_close(out[labels == 0, :3], network(x[labels == 0], 0))
    torch.testing.assert_close(out[labels == 1], network(x[labels == 1], 1))
    assert (out.softmax(dim=1)[labels == 0, 3] == 0).all()


def test_without_labels_every_trained_head_answers(stream: TaskStream) -> None:
    network, x = with_heads(stream), torch.randn(2, 3, 16, 16)
    outputs = network(x, None)
    assert {task: out.shape for task, out in outputs.items()} == {0: (2, 3), 1: (2, 4)}
    for task, out in outputs.items():
        torch.testing.assert_close(out, network(x, task))


@pytest.fixture
def weight_file(tmp_path: Path) -> Path:
    """A weight file with torchvision's names, its ImageNet classifier included."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(3)
    file = tmp_path / "data" / "weights" / "squeezenet1_1-00000000.pth"
    file.parent.mkdir(parents=True)
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
    return file


def test_squeezenet_starts_from_its_file(weight_file: Path) -> None:
    state = torch.load(weight_file, weights_only=True)
    for name, value in squeezenet(weight_file).body[0].state_dict().items():
        assert torch.equal(value, state[f"features.{name}"])


def test_squeezenet_looks_at_the_whole_image() -> None:
    network = squeezenet()
    assert network.features(torch.randn(2, 3, 64, 64)).shape == (2, 512)


@pytest.mark.parametrize(
    "content",
    [{}, {"features.0.weight": torch.zeros(1)}, [1, 2], None],
    ids=["nothing", "another shape", "a list", "no torch file"],
)
def test_a_file_without_the_weights_is_refused_by_name(content: object, tmp_path: Path) -> None:
    file = tmp_path / "wrong.pth"
    file.write_bytes(b"?") if content is None else torch.save(content, file)
    with pytest.raises(ValueError, match=r"(?s)wrong\.pth does not hold .* --weights FILE"):
        squeezenet(file)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty download folder and no connection; gives the addresses that were asked for."""
    asked: list[str] = []

    def fail(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise URLError("no connection")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    return asked


def test_weights_are_found_in_or_beside_the_data(weight_file: Path, offline: list[str]) -> None:
    data = weight_file.parents[1]
    (data / "sets").mkdir()
    assert find_weights("auto", data) == weight_file
    assert find_weights("auto", data / "sets").resolve() == weight_file.resolve()
    assert find_weights(str(weight_file), None) == weight_file
    assert find_weights("none", data) is None
    assert offline == []


def test_downloaded_weights_come_first(
    weight_file: Path, offline: list[str], tmp_path: Path
) -> None:
    downloaded = tmp_path / "hub" / "checkpoints" / weight_file.name
    downloaded.parent.mkdir(parents=True)
    downloaded.touch()
    assert find_weights("auto", weight_file.parents[1]) == downloaded
    assert offline == []


def test_without_weights_and_connection_the_way_out_is_named(
    offline: list[str], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no connection.*--weights FILE"):
        find_weights("auto", tmp_path)
    assert len(offline) == 1
    assert "squeezenet1_1" in offline[0]


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.pth.*--weights FILE"):
        find_weights(str(tmp_path / "absent.pth"), None)


def test_a_weight_file_is_recorded_by_name_and_content(weight_file: Path) -> None:
    digest = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    assert describe_weights(weight_file) == f"{weight_file.name} sha256:{digest}"
    assert describe_weights(None) is None


@pytest.mark.skipif(not SHARED_WEIGHTS.is_dir(), reason="needs ../shared/weights")
def test_the_shared_weights_fit(offline: list[str]) -> None:
    file = find_weights("auto", SHARED_WEIGHTS.parent / "data")
    assert file is not None
    assert file.parent.resolve() == SHARED_WEIGHTS.resolve()
    squeezenet(file)
    assert offline == []


@pytest.mark.parametrize("model", MODELS)
def test_all_networks_train_every_parameter(model: str, stream: TaskStream) -> None:
    network = MODELS[model](None)
    network.adaptation(stream.train_stream[0])
    network.classifier.adaptation(stream.train_stream[0])
    out: Tensor = network(torch.randn(4, 3, 64, 64), torch.zeros(4, dtype=torch.int64))
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
