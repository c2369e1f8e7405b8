"""The Hugging Face model with nodes zeroed by hooks."""

from typing import Any

from torch import Tensor

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.oracle import Question


def ablated(model: Any, question: Question, embeddings: Tensor, hops: Tensor | None) -> float:
    """Return the QoI with nodes that are not kept zeroed: [L + 1, N], [L, N, 1 + A]."""
    handles = []
    for layer, module in enumerate([model.bert.embeddings, *model.bert.encoder.layer]):
        handles.append(module.register_forward_hook(_zero(embeddings[layer])))
    for layer, module in enumerate(model.bert.encoder.layer if hops is not None else []):
        assert hops is not None
        handles.append(module.attention.output.register_forward_pre_hook(_zero_hops(hops[layer])))
    try:
        return float(question.qoi(oracle.logits(model, question.ids, question.types)))
    finally:
        for handle in handles:
            handle.remove()


def _zero(kept: Tensor) -> Any:
    return lambda _module, _inputs, output: output * kept[:, None]


def _zero_hops(kept: Tensor) -> Any:
    def hook(_module: Any, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        context, residual = inputs
        split = context.view(*context.shape[:-1], kept.shape[1] - 1, -1) * kept[:, 1:, None]
        return split.flatten(-2), residual * kept[:, :1]

    return hook
