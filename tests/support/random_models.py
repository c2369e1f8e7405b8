"""Random BERT models in float64 whose patterns move about, for the oracle and the library to be asked."""

import math
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

VOCABULARY = 40


def random_model(
    kind: str, layers: int, heads: int, hidden: int, seed: int, scale: float = 1.5, **config: Any
) -> Any:
    """Return a random model in float64; `scale` multiplies what attention adds and how sharply it looks.

    `kind` is "masked-lm" or "classifier". At the default scale about half of the steps change position.
    """
    torch.manual_seed(seed)
    built = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=32,
        attn_implementation="eager",
        **config,
    )
    model = (BertForMaskedLM if kind == "masked-lm" else BertForSequenceClassification)(built)
    model = model.double().eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        weight.copy_(_random_weight(name, weight, scale))
    return model


def _random_weight(name: str, weight: Tensor, scale: float) -> Tensor:
    noise: Tensor = torch.randn(weight.shape, dtype=torch.float64)
    if "LayerNorm.weight" in name:
        return 1 + 0.2 * noise
    if name.endswith("bias"):
        return 0.2 * noise
    if "embeddings" in name:
        return noise
    attends = any(part in name for part in ("query", "key", "value", "attention.output.dense"))
    return noise * ((scale if attends else 1.0) / math.sqrt(weight.shape[1]))
