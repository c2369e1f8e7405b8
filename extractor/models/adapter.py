"""What the algorithm needs to know of a model: its position-wise blocks, its mixing step's size and its head.

Another architecture is added by writing one more function that fills an `Adapter`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.models.blocks import Activation, Block, Chain, LayerNorm, Linear, Residual


@dataclass(frozen=True)
class Layer:
    """One layer around its mixing step: h' = after(out(context) + h), with (q, k, v) = before(h)."""

    before: Block  # [..., H] to [..., 3 H]: queries, keys, values, each head after head
    out: Linear
    after: Block


@dataclass(frozen=True)
class Adapter:
    """A post- or pre-LayerNorm encoder as position-wise blocks around softmax attention.

    `offset(N)` gives the position and segment embeddings [N, H] that never move; `enter` maps word embeddings
    plus offset to the `input` nodes h^0; `logits(h, rows)` maps the target position's last embedding
    [B, S, H] to the logits [B, S, R] of classes or vocabulary entries, rows [B, R] (None: all classes).
    """

    heads: int
    words: Tensor  # word embeddings [V, H]
    max_positions: int
    offset: Callable[[int], Tensor]
    enter: Block
    layers: tuple[Layer, ...]
    logits: Callable[[Tensor, Tensor | None], Tensor]


def bert_adapter(model: Any) -> Adapter:
    """Return the adapter of a `BertForMaskedLM` or `BertForSequenceClassification`."""
    embeddings = model.bert.embeddings
    return Adapter(
        heads=model.config.num_attention_heads,
        words=embeddings.word_embeddings.weight.detach(),
        max_positions=model.config.max_position_embeddings,
        offset=lambda n: (
            embeddings.position_embeddings.weight[:n] + embeddings.token_type_embeddings.weight[0]
        ).detach(),
        enter=_layer_norm(embeddings.LayerNorm),
        layers=tuple(_bert_layer(layer) for layer in model.bert.encoder.layer),
        logits=_masked_lm_logits(model) if hasattr(model, "cls") else _classifier_logits(model),
    )


def _bert_layer(layer: Any) -> Layer:
    attention = layer.attention.self
    projections = (attention.query, attention.key, attention.value)
    feed_forward = Chain(
        (
            _linear(layer.intermediate.dense),
            Activation(layer.intermediate.intermediate_act_fn),
            _linear(layer.output.dense),
        )
    )
    return Layer(
        before=Linear(
            torch.cat([p.weight for p in projections]).detach(),
            torch.cat([p.bias for p in projections]).detach(),
        ),
        out=_linear(layer.attention.output.dense),
        after=Chain(
            (
                _layer_norm(layer.attention.output.LayerNorm),
                Residual(feed_forward),
                _layer_norm(layer.output.LayerNorm),
            )
        ),
    )


def _masked_lm_logits(model: Any) -> Callable[[Tensor, Tensor | None], Tensor]:
    head = model.cls.predictions

    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        # rows [B, R] beside h [B, S, H]: only the decoder's rows that the QoI reads.
        weight, bias = head.decoder.weight[rows], head.decoder.bias[rows]
        chosen: Tensor = torch.einsum("bsh,brh->bsr", head.transform(h), weight) + bias[:, None]
        return chosen

    return logits


def _classifier_logits(model: Any) -> Callable[[Tensor, Tensor | None], Tensor]:
    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        pooled = model.bert.pooler.activation(model.bert.pooler.dense(h))
        scores: Tensor = model.classifier(pooled)
        if rows is None:
            return scores
        return scores.gather(-1, rows[:, None].expand(-1, scores.shape[1], -1))

    return logits


def _linear(module: torch.nn.Linear) -> Linear:
    return Linear(module.weight.detach(), module.bias.detach())


def _layer_norm(module: torch.nn.LayerNorm) -> LayerNorm:
    return LayerNorm(module.weight.detach(), module.bias.detach(), module.eps)
