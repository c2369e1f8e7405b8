"""GPT-NeoX and Pythia (Biderman et al. 2023): attention and feed-forward side by side, partial rotation."""

from typing import Any

from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, Identity, LayerNorm, Linear, Rotary
from ipgraph.extractor.models.composites import Chain, Columns, Residual
from ipgraph.extractor.models.decoders import decoder_adapter, entries, rotary_of


def gpt_neox_adapter(model: Any) -> Adapter:
    """Return the adapter of a `GPTNeoXForCausalLM` or `GPTNeoXForSequenceClassification`."""
    base = model.gpt_neox
    words = base.embed_in.weight.detach()
    rotary = rotary_of(base.rotary_emb, model.config, words, base.layers[0].attention.head_size)
    return decoder_adapter(
        model,
        words=words,
        layers=tuple(_layer(layer, rotary) for layer in base.layers),
        norm=LayerNorm.of(base.final_layer_norm),
    )


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention, is_parallel = layer.attention, layer.use_parallel_residual
    heads, size = attention.config.num_attention_heads, attention.head_size
    mixing = Mixing(heads=heads, groups=heads, size=size, scale=attention.scaling, ahead=0)
    turn = Columns(mixing.widths, (rotary, rotary, Identity()))
    mlp = layer.mlp
    feed_forward = (Linear.of(mlp.dense_h_to_4h), Activation(mlp.act), Linear.of(mlp.dense_4h_to_h))
    branch = Residual(Chain((LayerNorm.of(layer.post_attention_layernorm), *feed_forward)))
    return Layer(
        before=Chain((LayerNorm.of(layer.input_layernorm), _projections(attention), turn)),
        mixing=mixing,
        out=Linear.of(attention.dense),
        beside=branch if is_parallel else Identity(),
        after=Identity() if is_parallel else branch,
    )


def _projections(attention: Any) -> Linear:
    """Return the map to all queries, all keys and all values; the module has them head by head."""
    module, size = attention.query_key_value, attention.head_size

    def by_kind(rows: Tensor) -> Tensor:
        return rows.detach().view(-1, 3, size, *rows.shape[1:]).transpose(0, 1).flatten(0, 2)

    return Linear(by_kind(module.weight), None if module.bias is None else by_kind(module.bias))


ARCHITECTURES = entries(
    gpt_neox_adapter,
    "gpt_neox",
    causal="GPTNeoXForCausalLM",
    classifier="GPTNeoXForSequenceClassification",
    head="embed_out.",
)
