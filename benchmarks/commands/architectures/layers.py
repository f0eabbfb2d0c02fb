"""The recurrent and transformer layers of torch, each within a small classifier of sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

STEPS, WIDTH, OUTPUTS = 6, 8, 5
"""The steps of a sequence, the values of a step, and the outputs of the classifier."""

SEQUENCE = (STEPS, WIDTH)

Run: TypeAlias = Callable[[nn.Module, Tensor], Tensor]
"""Gives a sequence [B, T, D] to a layer, and returns what comes of it, a sequence, too."""


class Classifier(nn.Module):
    """A layer on sequences [B, T, D], the mean over time, and a linear layer."""

    def __init__(self, layer: nn.Module, run: Run) -> None:
        super().__init__()
        self.before, self.layer = nn.Linear(WIDTH, WIDTH), layer
        self.run, self.head = run, nn.LazyLinear(OUTPUTS)
        with torch.no_grad():
            self(torch.zeros(2, *SEQUENCE))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, C]."""
        scores: Tensor = self.head(self.run(self.layer, self.before(x)).mean(1))
        return scores


def _packed(layer: nn.Module, x: Tensor) -> Tensor:
    lengths = STEPS - 2 * (x[:, 0, 0] > 0).long()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=STEPS)[0]


def _steps(layer: nn.Module, x: Tensor) -> Tensor:
    state, states = None, []
    for step in x.unbind(1):
        state = layer(step, state)
        states.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(states, 1)


def _causal(layer: nn.Module, x: Tensor) -> Any:
    mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
    return layer(x, mask)


def _both(layer: nn.Module, x: Tensor) -> Any:
    return layer(x, x.flip(1))


def _recurrent(
    kind: type[nn.Module], run: Run = lambda layer, x: layer(x)[0], **options: Any
) -> Callable[[], nn.Module]:
    return lambda: Classifier(kind(WIDTH, 7, batch_first=True, **options), run)


def _cell(kind: type[nn.Module], **options: Any) -> Callable[[], nn.Module]:
    return lambda: Classifier(kind(WIDTH, 7, **options), _steps)


def _attention(
    run: Run = lambda layer, x: layer(x, x, x)[0], **options: Any
) -> Callable[[], nn.Module]:
    return lambda: Classifier(nn.MultiheadAttention(WIDTH, 2, batch_first=True, **options), run)


def _block(
    kind: type[nn.Module], run: Run = nn.Module.__call__, **options: Any
) -> Callable[[], nn.Module]:
    return lambda: Classifier(kind(WIDTH, 2, 16, batch_first=True, **options), run)


def _stack(norm_first: bool) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True, norm_first=norm_first)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


LAYERS: Mapping[str, Callable[[], nn.Module]] = {
    "RNN": _recurrent(nn.RNN),
    "RNN, ReLU, two layers": _recurrent(nn.RNN, nonlinearity="relu", num_layers=2),
    "LSTM": _recurrent(nn.LSTM),
    "LSTM, bidirectional, two layers": _recurrent(nn.LSTM, bidirectional=True, num_layers=2),
    "LSTM, projected": _recurrent(nn.LSTM, proj_size=4),
    "LSTM, packed": _recurrent(nn.LSTM, _packed),
    "GRU": _recurrent(nn.GRU),
    "GRU, bidirectional": _recurrent(nn.GRU, bidirectional=True),
    "RNNCell": _cell(nn.RNNCell),
    "RNNCell, ReLU": _cell(nn.RNNCell, nonlinearity="relu"),
    "LSTMCell": _cell(nn.LSTMCell),
    "GRUCell": _cell(nn.GRUCell),
    "MultiheadAttention": _attention(),
    "MultiheadAttention, without weights": _attention(
        lambda layer, x: layer(x, x, x, need_weights=False)[0]
    ),
    "MultiheadAttention, extra biases": _attention(add_bias_kv=True, kdim=WIDTH, vdim=WIDTH),
    "TransformerEncoderLayer": _block(nn.TransformerEncoderLayer),
    "TransformerEncoderLayer, GELU": _block(nn.TransformerEncoderLayer, activation="gelu"),
    "TransformerEncoderLayer, causal": _block(nn.TransformerEncoderLayer, _causal),
    "TransformerEncoder": lambda: Classifier(_stack(False), nn.Module.__call__),
    "TransformerEncoder, norm first": lambda: Classifier(_stack(True), nn.Module.__call__),
    "TransformerDecoderLayer": _block(nn.TransformerDecoderLayer, _both),
    "Transformer": lambda: Classifier(nn.Transformer(WIDTH, 2, 2, 2, 16, batch_first=True), _both),
}
"""The layers, with functions that make the classifier of each."""
