"""GPT-2 (Radford et al. 2019): a LayerNorm before each branch, learned positions, one map to q, k and v."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, LayerNorm, Linear
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.extractor.models.decoders import decoder_adapter, entries


def gpt2_adapter(model: Any) -> Adapter:
    """Return the adapter of a `GPT2LMHeadModel` or `GPT2ForSequenceClassification`."""
    base = model.transformer
    return decoder_adapter(
        model,
        words=base.wte.weight.detach(),
        offset=lambda types: base.wpe.weight[: types.shape[1]].detach().expand(*types.shape, -1),
        layers=tuple(_layer(layer) for layer in base.h),
        norm=LayerNorm.of(base.ln_f),
    )


def _layer(layer: Any) -> Layer:
    attention = layer.attn
    heads, size = attention.num_heads, attention.head_dim
    feed_forward = (_linear(layer.mlp.c_fc), Activation(layer.mlp.act), _linear(layer.mlp.c_proj))
    return Layer(
        before=Chain((LayerNorm.of(layer.ln_1), _linear(attention.c_attn))),
        mixing=Mixing(heads=heads, groups=heads, size=size, scale=attention.scaling, ahead=0),
        out=_linear(attention.c_proj),
        after=Residual(Chain((LayerNorm.of(layer.ln_2), *feed_forward))),
    )


def _linear(module: Any) -> Linear:
    """Return a `Conv1D`, which has its weight the other way round."""
    return Linear(module.weight.detach().T, module.bias.detach())


ARCHITECTURES = entries(
    gpt2_adapter, "gpt2", causal="GPT2LMHeadModel", classifier="GPT2ForSequenceClassification"
)
