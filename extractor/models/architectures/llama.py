"""Llama (Touvron et al. 2023): RMSNorm before each branch, rotary positions, groups of keys, a gate."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, Block, Identity, Linear, RMSNorm, Rotary
from ipgraph.extractor.models.composites import Chain, Columns, Gate, Residual
from ipgraph.extractor.models.decoders import decoder_adapter, entries, rotary_of


def llama_adapter(model: Any) -> Adapter:
    """Return the adapter of a `LlamaForCausalLM` or `LlamaForSequenceClassification`."""
    rotary = rotary_of_model(model)
    return llama_like(model, tuple(llama_layer(layer, rotary) for layer in model.model.layers))


def llama_like(model: Any, layers: tuple[Layer, ...]) -> Adapter:
    """Return the adapter of a model that has Llama's words, final norm and head around its layers."""
    base = model.model
    words = base.embed_tokens.weight.detach()
    return decoder_adapter(model, words=words, layers=layers, norm=rms_norm(base.norm))


def llama_layer(layer: Any, rotary: Rotary, window: int | None = None) -> Layer:
    """Return a layer of Llama's, whose positions see `window` positions, themselves included (None: all)."""
    mixing = mixing_of(layer.self_attn, window)
    return pre_norm_layer(
        layer, mixing, projections(layer.self_attn), turned(mixing, rotary), gated(layer.mlp)
    )


def pre_norm_layer(layer: Any, mixing: Mixing, qkv: Block, turn: Block, feed_forward: Block) -> Layer:
    """Return a layer with a norm before each branch; `turn` is what becomes of queries, keys and values."""
    return Layer(
        before=Chain((rms_norm(layer.input_layernorm), qkv, turn)),
        mixing=mixing,
        out=Linear.of(layer.self_attn.o_proj),
        after=Residual(Chain((rms_norm(layer.post_attention_layernorm), feed_forward))),
    )


def rotary_of_model(model: Any) -> Rotary:
    """Return the rotation that all layers of a model share."""
    base = model.model
    size = base.layers[0].self_attn.head_dim
    return rotary_of(base.rotary_emb, model.config, base.embed_tokens.weight, size)


def mixing_of(attention: Any, window: int | None, cap: float | None = None) -> Mixing:
    """Return an attention module's mixing step."""
    return Mixing(
        heads=attention.config.num_attention_heads,
        groups=attention.config.num_key_value_heads,
        size=attention.head_dim,
        scale=attention.scaling,
        behind=None if window is None else window - 1,
        ahead=0,
        cap=cap,
    )


def rms_norm(module: Any) -> RMSNorm:
    """Return an RMSNorm module as a block."""
    return RMSNorm(module.weight.detach(), module.variance_epsilon)


def projections(attention: Any) -> Linear:
    """Return the maps to queries, keys and values as one."""
    return Linear.side_by_side(attention.q_proj, attention.k_proj, attention.v_proj)


def turned(mixing: Mixing, rotary: Rotary, query: Block | None = None, key: Block | None = None) -> Columns:
    """Return the rotation of queries and keys, after a norm of each where there is one."""
    turns = (Chain((query, rotary)) if query else rotary, Chain((key, rotary)) if key else rotary)
    return Columns(mixing.widths, (*turns, Identity()))


def gated(mlp: Any) -> Chain:
    """Return a gated feed-forward module: down(act(gate(x)) up(x))."""
    gate = Chain((Linear.of(mlp.gate_proj), Activation(mlp.act_fn)))
    return Chain((Gate(gate, Linear.of(mlp.up_proj)), Linear.of(mlp.down_proj)))


ARCHITECTURES = entries(
    llama_adapter, "llama", causal="LlamaForCausalLM", classifier="LlamaForSequenceClassification"
)
