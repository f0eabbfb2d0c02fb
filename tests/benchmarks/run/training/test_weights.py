"""Weight files: which is chosen, fetched or refused, and what is read from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor
from torchvision.models.vision_transformer import VisionTransformer

from benchmarks.run.training.models import MODELS
from benchmarks.run.training.networks import make_network
from benchmarks.run.training.weights import describe_weights, find_weights

SHARED_WEIGHTS = Path(__file__).parents[5] / "shared" / "weights"


def state_of(maker: Callable[..., Any], **arguments: Any) -> dict[str, Tensor]:
    torch.manual_seed(3)
    state: dict[str, Tensor] = maker(weights=None, **arguments).state_dict()
    return state


@pytest.fixture
def weight_file(tmp_path: Path) -> Path:
    """A weight file with torchvision's names, its ImageNet classifier included."""
    file = tmp_path / "data" / "weights" / "squeezenet1_1-00000000.pth"
    file.parent.mkdir(parents=True)
    torch.save(state_of(zoo.squeezenet1_1), file)
    return file


def test_squeezenet_starts_from_its_file(weight_file: Path) -> None:
    state = torch.load(weight_file, weights_only=True)
    network = make_network("squeezenet", (3, 32, 32), weight_file)
    for name, value in network.body[0].state_dict().items():
        assert torch.equal(value, state[f"features.{name}"])


def test_resnet_starts_from_its_file_statistics_included(tmp_path: Path) -> None:
    state, file = state_of(zoo.resnet18), tmp_path / "resnet18-00000000.pth"
    state["layer1.0.bn1.running_mean"].fill_(0.25)
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    torch.save(old, file)
    body = make_network("resnet18", (3, 32, 32), file).body
    for name, value in body.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, state[name]), name
    assert (body.layer1[0].bn1.running_mean == 0.25).all()


def tiny_vit(image_size: int = 224, **_: Any) -> VisionTransformer:
    return VisionTransformer(image_size, 16, 1, 12, 768, 32)


def test_position_embeddings_of_a_vit_are_interpolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "vit_b_16", tiny_vit)
    state, file = state_of(tiny_vit), tmp_path / "vit_b_16-00000000.pth"
    ramp = torch.linspace(0, 1, 14)[:, None, None].expand(14, 14, 768)
    state["encoder.pos_embedding"][0, 1:] = ramp.reshape(196, 768)
    torch.save(state, file)
    same = make_network("vit-b-16", (3, 224, 224), file).body
    assert torch.equal(same.encoder.pos_embedding, state["encoder.pos_embedding"])
    small = make_network("vit-b-16", (3, 64, 64), file).body
    found = small.encoder.pos_embedding[0].detach()
    assert found.shape == (1 + 16, 768)
    assert torch.equal(found[0], state["encoder.pos_embedding"][0, 0])
    rows = found[1:].unflatten(0, (4, 4)).mean((1, 2))
    assert rows.tolist() == sorted(rows.tolist())
    assert float(rows.mean()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(small.conv_proj.weight, state["conv_proj.weight"])


def test_a_vit_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "vit_b_16", tiny_vit)
    file = tmp_path / "swag.pth"
    torch.save(state_of(tiny_vit, image_size=384), file)
    with pytest.raises(ValueError, match=r"swag\.pth .*pos_embedding is of shape \(1, 577, 768\)"):
        make_network("vit-b-16", (3, 224, 224), file)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {name: value for name, value in state.items() if name != key}


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {**state, key: value}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: {}, "it has no features.0.weight;"),
        (without("features.4.squeeze.bias"), "it has no features.4.squeeze.bias;"),
        (
            changed("features.0.bias", torch.zeros(3)),
            "features.0.bias is of shape (3,), not of shape (64,);",
        ),
        (changed("features.0.bias", [1, 2]), "features.0.bias is no tensor, not of shape (64,);"),
        (changed("fc.bias", torch.zeros(3)), "its fc.bias is none of the network's;"),
        (lambda _: [1, 2], "it holds a list;"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_first_key(
    change: Callable[[Any], Any], reason: str, weight_file: Path
) -> None:
    torch.save(change(torch.load(weight_file, weights_only=True)), weight_file)
    start = f"{weight_file} does not hold SqueezeNet 1.1's weights under torchvision's names: "
    with pytest.raises(ValueError, match=re.escape(start + reason)) as refused:
        make_network("squeezenet", (3, 32, 32), weight_file)
    assert "name another file with --weights FILE, or use random weights" in str(refused.value)


def test_the_classifier_may_be_there_or_not_and_of_any_size(weight_file: Path) -> None:
    state = torch.load(weight_file, weights_only=True)
    for kept in (without("classifier.1.weight"), changed("classifier.1.bias", torch.zeros(7))):
        torch.save(kept(state), weight_file)
        make_network("squeezenet", (3, 32, 32), weight_file)


def test_a_broken_file_is_refused_by_name(weight_file: Path) -> None:
    weight_file.write_bytes(b"?")
    with pytest.raises(ValueError, match=r"(?s)00000000\.pth does not .* cannot be read"):
        make_network("squeezenet", (3, 32, 32), weight_file)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty download folder without a connection, and the addresses requested."""
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
    assert find_weights("squeezenet", "auto", data) == weight_file
    beside = find_weights("squeezenet", "auto", data / "sets")
    assert beside is not None
    assert beside.resolve() == weight_file.resolve()
    assert find_weights("squeezenet", str(weight_file), None) == weight_file
    assert find_weights("squeezenet", "none", data) is None
    assert find_weights("small-cnn", "auto", data) is None
    assert offline == []


def test_downloaded_weights_come_first(
    weight_file: Path, offline: list[str], tmp_path: Path
) -> None:
    downloaded = tmp_path / "hub" / "checkpoints" / weight_file.name
    downloaded.parent.mkdir(parents=True)
    downloaded.touch()
    assert find_weights("squeezenet", "auto", weight_file.parents[1]) == downloaded
    assert offline == []


def test_weights_of_another_training_are_not_taken_for_them(
    tmp_path: Path, offline: list[str]
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "vit_b_16_swag-9ac1b537.pth").touch()
    with pytest.raises(FileNotFoundError):
        find_weights("vit-b-16", "auto", tmp_path)
    assert len(offline) == 1


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].pretrained])
def test_without_weights_and_connection_the_way_out_is_named(
    name: str, offline: list[str], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no connection.*--weights FILE"):
        find_weights(name, "auto", tmp_path)
    assert len(offline) == 1
    assert re.search(
        r"/(squeezenet1_1|alexnet-owt|resnet18|vit_b_16)-[0-9a-f]{8}\.pth$", offline[0]
    )


def test_what_is_downloaded_is_checked_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(url: str, target: str, hash_prefix: str) -> None:
        assert url.endswith(f"-{hash_prefix}.pth")
        Path(target).write_bytes(b"weights")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    file = find_weights("resnet18", "auto", None)
    assert file == tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    assert file.read_bytes() == b"weights"


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.pth.*--weights FILE"):
        find_weights("squeezenet", str(tmp_path / "absent.pth"), None)


def test_a_weight_file_is_recorded_by_name_and_content(weight_file: Path) -> None:
    digest = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    assert describe_weights(weight_file) == f"{weight_file.name} sha256:{digest}"
    assert describe_weights(None) is None


@pytest.mark.skipif(not SHARED_WEIGHTS.is_dir(), reason="needs ../shared/weights")
def test_the_shared_weights_fit(offline: list[str]) -> None:
    file = find_weights("squeezenet", "auto", SHARED_WEIGHTS.parent / "data")
    assert file is not None
    assert file.parent.resolve() == SHARED_WEIGHTS.resolve()
    make_network("squeezenet", (3, 64, 64), file)
    assert offline == []
