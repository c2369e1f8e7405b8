"""Random models of given shapes, and the patterns of token ids in them."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.registry import ARCHITECTURES
from ipgraph.extractor.tracing.batch import Batch, IntegrationPath
from ipgraph.extractor.tracing.trace import Trace

CORRECT, WRONG, BASELINE, VOCABULARY = 7, 8, 4, 100


class Planned(NamedTuple):
    """What planning for memory asks of a loaded model."""

    adapter: Adapter
    device: torch.device
    dtype: torch.dtype


def bert(layers: int, hidden: int, heads: int) -> Any:
    """Return a BERT of the published proportions."""
    return made(
        BertForMaskedLM,
        BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
        ),
    )


def gpt2(layers: int, hidden: int, heads: int) -> Any:
    """Return a GPT-2 of the published proportions."""
    return made(
        GPT2LMHeadModel,
        GPT2Config(
            vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=1, n_embd=hidden, n_layer=layers, n_head=heads
        ),
    )


def llama(layers: int, hidden: int, heads: int) -> Any:
    """Return a Llama whose feed-forward is 8/3 as wide as its embeddings, and heads share keys in fours."""
    return made(
        LlamaForCausalLM,
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 4),
            intermediate_size=8 * hidden // 3,
        ),
    )


def made(kind: Any, config: Any) -> Any:
    """Return a random model of a class and its config."""
    torch.manual_seed(0)
    # Larger than is usual, so that the patterns move about as a trained model's do.
    config.initializer_range = 0.06
    config._attn_implementation = "sdpa"
    return kind(config).eval().requires_grad_(False)


def adapter_of(model: Any) -> Adapter:
    """Return a model's adapter."""
    return ARCHITECTURES[type(model).__name__].adapter(model)


def planned(model: Any, device: torch.device) -> Any:
    """Return what planning for memory asks of a model in float32."""
    return Planned(adapter_of(model), device, torch.float32)


@torch.no_grad()
def patterns(
    model: Any, ids: Tensor, samples: int, *, target: int = -1, keep: bool = True
) -> tuple[Tensor, Tensor]:
    """Return every word's positions [B, N, L + 1] and heads or skips [B, N, L]; `target` is a position."""
    trace = traced(adapter_of(model), ids, samples, target=target, keep=keep)
    embedding = embedding_paths(trace, torch.arange(ids.shape[1], device=ids.device).expand_as(ids))
    attention = attention_paths(trace, embedding)
    assert attention.choices is not None
    return embedding.positions.cpu(), attention.choices.cpu()


@torch.no_grad()
def traced(adapter: Adapter, ids: Tensor, samples: int, *, target: int = -1, keep: bool = True) -> Trace:
    """Return the trace of token ids [B, N] at uniform points."""
    batch = Batch(
        ids,
        torch.zeros_like(ids),
        torch.ones_like(ids, dtype=torch.bool),
        torch.full_like(ids[:, 0], target % ids.shape[1]),
        torch.tensor([[CORRECT, WRONG]], device=ids.device).expand(len(ids), -1),
    )
    points = torch.linspace(0, 1, samples, device=ids.device)
    path = IntegrationPath(points, torch.full_like(points, 1 / samples))
    return Trace(adapter, batch, path, adapter.words[BASELINE], keep=keep)
