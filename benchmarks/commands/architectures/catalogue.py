"""The networks: how each is made, with random weights and few outputs, and a batch for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchmarks.commands.architectures.layers import LAYERS, OUTPUTS, SEQUENCE

SAMPLES, SIDE = 3, 64
"""The numbers of samples in a batch, and of pixels on a side, unless said otherwise."""

_LARGE = (
    "regnet_x_16gf regnet_x_32gf regnet_y_16gf regnet_y_32gf regnet_y_128gf resnext101_32x8d "
    "resnext101_64x4d swin_b swin_v2_b vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn "
    "wide_resnet101_2 wide_resnet50_2"
)
TORCHVISION: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False, "side": 96},
    "maxvit_t": {"side": 224},
    **{name: {"samples": 2, "side": 32} for name in _LARGE.split()},
    **{name: {"image_size": SIDE} for name in ("vit_b_16", "vit_b_32")},
    **{name: {"image_size": SIDE, "samples": 2} for name in ("vit_l_16", "vit_l_32")},
    "vit_h_14": {"image_size": 28, "side": 28, "samples": 2},
}
"""What builders need beyond the number of classes; those not listed need nothing."""

_PLAIN = (
    "convmixer_768_32 convnext_atto densenet121 dla34 edgenext_xx_small efficientnet_b0 "
    "ese_vovnet19b_dw ghostnet_050 hrnet_w18_small mobilenetv3_small_050 mobilevit_xxs nfnet_l0 "
    "poolformer_s12 regnety_002 repvgg_a0 resnest14d resnetv2_50"
)
_SIZED = (
    "beit_base_patch16_224 cait_xxs24_224 coat_lite_tiny deit3_small_patch16_224 gmlp_ti16_224 "
    "mixer_s32_224 vit_tiny_patch16_224 volo_d1_224"
)
_FIXED = (
    "efficientformer_l1 levit_128s pit_ti_224 sequencer2d_s swin_tiny_patch4_window7_224 "
    "xcit_nano_12_p16_224"
)
TIMM: Mapping[str, Mapping[str, Any]] = {
    **{name: {} for name in _PLAIN.split()},
    **{name: {"img_size": SIDE} for name in _SIZED.split()},
    **{name: {"side": 224} for name in _FIXED.split()},
    "eva02_tiny_patch14_224": {"img_size": 56, "side": 56},
    "fastvit_t8": {"side": 256},
    "maxvit_nano_rw_256": {"img_size": 256, "side": 256},
}
"""The networks, and what their builders need beyond the number of classes."""

VOCABULARY = {"vocab_size": 99, "pad_token_id": 0, "eos_token_id": 2}
BLOCKS = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
TEXT = {**VOCABULARY, **BLOCKS, "max_position_embeddings": 64}
KEYS = {**TEXT, "num_key_value_heads": 2}
GPT = {**VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4}
PICTURE = {**BLOCKS, "image_size": 32, "patch_size": 8}
STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 32, 64]}

TRANSFORMERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "albert": ("text", {**TEXT, "embedding_size": 16}),
    "bart": (
        "text",
        {
            **VOCABULARY,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
        },
    ),
    "beit": ("image", PICTURE),
    "bert": ("text", TEXT),
    "bloom": ("text", {**VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "convnextv2": ("image", STAGES),
    "deberta-v2": ("text", {**TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "deit": ("image", {**PICTURE, "architectures": ["DeiTForImageClassification"]}),
    "distilbert": (
        "text",
        {**VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    "electra": ("text", {**TEXT, "embedding_size": 16}),
    "gemma": ("text", {**KEYS, "head_dim": 8}),
    "gpt2": ("text", GPT),
    "gpt_neox": ("text", TEXT),
    "llama": ("text", KEYS),
    "mamba": ("states", {**VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}),
    "mistral": ("text", KEYS),
    "mobilevit": ("image", {"image_size": SIDE, "initializer_range": 0.2}),
    "mpnet": ("text", TEXT),
    "opt": ("text", {**TEXT, "ffn_dim": 64, "word_embed_proj_dim": 32}),
    "phi": ("text", KEYS),
    "poolformer": ("image", {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]}),
    "qwen2": ("text", KEYS),
    "resnet": ("image", {**STAGES, "embedding_size": 16, "layer_type": "basic"}),
    "roberta": ("text", TEXT),
    "segformer": (
        "image",
        {"depths": [1] * 4, "hidden_sizes": [8, 16, 16, 32], "num_attention_heads": [1, 2, 2, 4]},
    ),
    "swin": (
        "image",
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "window_size": 4,
            "depths": [1, 2],
            "num_heads": [2, 4],
        },
    ),
    "t5": (
        "text",
        {
            **VOCABULARY,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "vit": ("image", PICTURE),
    "wav2vec2": (
        "sound",
        {
            **BLOCKS,
            "conv_dim": [32, 32],
            "conv_stride": [5, 2],
            "conv_kernel": [10, 3],
            "num_feat_extract_layers": 2,
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 2,
            "classifier_proj_size": 16,
        },
    ),
    "xlnet": (
        "text",
        {**VOCABULARY, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
    ),
}
"""Model types, what they take, and a small configuration."""

HEADS = {
    "text": "ForSequenceClassification",
    "image": "ForImageClassification",
    "sound": "ForAudioClassification",
    "states": "",
}


@dataclass(frozen=True)
class Case:
    """A network with a batch.

    Attributes:
        model: The network.
        batch: Its batch.
        forward: Maps both to the output [B, C].
        shape: What a sample is, in print.
    """

    model: nn.Module
    batch: Any
    shape: str
    forward: Callable[[nn.Module, Any], Tensor] = lambda model, batch: model(batch)

    def double(self) -> Case:
        """Return the case in float64; the network itself is changed."""

        def wide(tensor: Tensor) -> Tensor:
            return tensor.double() if tensor.is_floating_point() else tensor

        batch = pytree.tree_map_only(Tensor, wide, self.batch)
        return replace(self, model=self.model.double(), batch=batch)


@dataclass(frozen=True)
class Family:
    """Networks of one library.

    Attributes:
        names: Returns those that are measured.
        build: Makes one.
        package: The library.
    """

    names: Callable[[], Iterable[str]]
    build: Callable[[str], Case]
    package: str


def _torchvision_names() -> list[str]:
    from torchvision import models

    return list(models.list_models(module=models))


def _torchvision(name: str) -> Case:
    from torchvision import models

    options = dict(TORCHVISION.get(name, {}))
    images = _images(options)
    return Case(_drawn(models.get_model(name, num_classes=OUTPUTS, **options)), *images)


def _timm(name: str) -> Case:
    import timm

    options = dict(TIMM[name])
    images = _images(options)
    return Case(_drawn(timm.create_model(name, num_classes=OUTPUTS, **options)), *images)


def _drawn(model: nn.Module) -> nn.Module:
    """Draw the matrices that begin as zeros: with such a head, Ω is 0 everywhere."""
    for matrix in model.parameters():
        if matrix.dim() > 1 and not matrix.any():
            nn.init.normal_(matrix, std=0.02)
    return model


def _layer(name: str) -> Case:
    shape = " x ".join(map(str, SEQUENCE))
    return Case(LAYERS[name](), torch.randn(SAMPLES, *SEQUENCE), shape)


def _images(options: dict[str, Any]) -> tuple[Tensor, str]:
    """Take the size of a batch from the options; return random images of that size."""
    side = options.pop("side", SIDE)
    return torch.randn(options.pop("samples", SAMPLES), 3, side, side), f"{side} px"


def _transformers(name: str) -> Case:
    import transformers

    kind, options = TRANSFORMERS[name]
    config = transformers.AutoConfig.for_model(name, num_labels=OUTPUTS, **options)
    auto = getattr(transformers, f"AutoModel{HEADS[kind]}")
    batch, shape = _inputs(kind, options)
    return Case(auto.from_config(config), batch, shape, _scores)


def _scores(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the scores [B, C] of a classifier, or else the mean of the hidden states over time."""
    found = model(**batch)
    scores: Tensor = found.logits if "logits" in found else found.last_hidden_state.mean(1)
    return scores


def _inputs(kind: str, options: Mapping[str, Any]) -> tuple[dict[str, Tensor], str]:
    if kind == "image":
        side = options.get("image_size", SIDE)
        return {"pixel_values": torch.randn(SAMPLES, 3, side, side)}, f"{side} px"
    if kind == "sound":
        return {"input_values": torch.randn(SAMPLES, 400)}, "400 values"
    ids = torch.randint(3, 99, (SAMPLES, 10))
    ids[:, 6] = 2  # the end of the sentence, where BART and T5 read their output
    mask = torch.ones_like(ids)
    mask[1, 7:], ids[1, 7:] = 0, options["pad_token_id"]
    return {"input_ids": ids, "attention_mask": mask}, "10 tokens"


FAMILIES: Mapping[str, Family] = {
    "torchvision": Family(_torchvision_names, _torchvision, "torchvision"),
    "timm": Family(lambda: TIMM, _timm, "timm"),
    "transformers": Family(lambda: TRANSFORMERS, _transformers, "transformers"),
    "layers": Family(lambda: LAYERS, _layer, "torch"),
}
"""The families of networks by name."""
