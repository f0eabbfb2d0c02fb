"""Files of weights that torchvision publishes: found, fetched and read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer, get_weight
from torchvision.models.vision_transformer import interpolate_embeddings

from avalanche_mas.models import find_classifier
from benchmarks.run.training.models import Pretrained, model_named

_WAY_OUT = "name another file with --weights FILE, or use random weights with --weights none"


def find_weights(model: str, choice: str, root: Path | None) -> Path | None:
    """Return the file of pretrained weights to use, `None` for random ones.

    The choice is a file; "none" for random weights; or "auto" for the first file found in
    torch's download folder or a folder `weights` in or beside `root`, or else a download.

    Raises:
        FileNotFoundError: The file does not exist, or there is none and the download fails.
    """
    pretrained = model_named(model).pretrained
    if choice == "none" or pretrained is None:
        return None
    if choice != "auto":
        file = Path(choice)
        if not file.is_file():
            raise FileNotFoundError(
                f"no weight file {file}; name an existing one with --weights FILE"
            )
        return file
    return found_weights(model, root) or _download(pretrained, _folders(root))


def found_weights(model: str, root: Path | None) -> Path | None:
    """Return the file of pretrained weights that "auto" finds for a network, `None` if there is none."""
    pretrained = model_named(model).pretrained
    if pretrained is None:
        return None
    files = (sorted(folder.glob(pretrained.files)) for folder in _folders(root))
    return next((found[0] for found in files if found), None)


def _folders(root: Path | None) -> list[Path]:
    beside = [] if root is None else [root / "weights", root.resolve().parent / "weights"]
    return [Path(torch.hub.get_dir()) / "checkpoints", *beside]


def _download(wanted: Pretrained, looked_in: list[Path]) -> Path:
    url: str = get_weight(wanted.name).url
    target = looked_in[0] / url.rsplit("/", 1)[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(target), hash_prefix=target.stem.rsplit("-", 1)[1])
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no file {wanted.files} in {', '.join(map(str, looked_in))}, and {url} could not be "
            f"downloaded ({error}); {_WAY_OUT}"
        ) from error
    return target


def describe_weights(file: Path | None) -> str | None:
    """Return the name and SHA-256 of a weight file, as a run's configuration names it."""
    if file is None:
        return None
    return f"{file.name} sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def _read(file: Path, title: str) -> dict[str, Tensor]:
    """Return the tensors of a weight file by torchvision's names, such as `features.0.weight`."""
    try:
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the broken file makes it raise
        raise _misfit(file, title, f"it cannot be read ({error})") from error
    if not isinstance(state, dict):
        raise _misfit(file, title, f"it holds a {type(state).__name__}")
    return state


def load_weights(network: nn.Module, file: Path, title: str) -> None:
    """Give a network the weights of a file, all but its classifier's, which stay random.

    A ViT's position embeddings for images of 224 px are interpolated where the network takes
    another size.

    Raises:
        ValueError: It is not a file of weights, or not of this network's; the message names the
            first key that is missing, has another shape, or is not the network's.
    """
    state = _read(file, title)
    embeddings = getattr(state.get("encoder.pos_embedding"), "shape", None)
    if isinstance(network, VisionTransformer) and embeddings == (1, 1 + 14 * 14, 768):
        state = interpolate_embeddings(network.image_size, 16, state)
    head = f"{find_classifier(network)[0]}."
    own = {key: value for key, value in network.state_dict().items() if not key.startswith(head)}
    given = {key: value for key, value in state.items() if not str(key).startswith(head)}
    for key, value in own.items():
        # files from before PyTorch 0.4.1 do not count batches, and nothing here uses the number
        if key not in given and not key.endswith("num_batches_tracked"):
            raise _misfit(file, title, f"it has no {key}")
        shape = getattr(given.get(key, value), "shape", None)
        if shape != value.shape:
            found = "no tensor" if shape is None else f"of shape {tuple(shape)}"
            raise _misfit(file, title, f"{key} is {found}, not of shape {tuple(value.shape)}")
    for key in given:
        if key not in own:
            raise _misfit(file, title, f"its {key} is none of the network's")
    network.load_state_dict(given, strict=False)


def _misfit(file: Path, title: str, reason: str) -> ValueError:
    return ValueError(
        f"{file} does not hold {title}'s weights under torchvision's names: {reason}; {_WAY_OUT}"
    )
