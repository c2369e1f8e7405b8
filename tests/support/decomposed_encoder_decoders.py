"""The vectors T_i(x_j) of T5 and BART, by a loop over positions, tokens and heads."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration

from ipgraph.extractor.models.texts import Text
from support.decomposed_modules import Decomposed, held
from support.families import VOCABULARY

FAMILIES = ("t5", "t5, gated", "bart")
DEPTHS = {"encoder": 2, "self": 3, "cross": 3}


def random_encoder_decoder(family: str) -> Any:
    """Return a model of two encoder and three decoder layers in float64, with random gains and biases."""
    torch.manual_seed(0)
    model: Any
    if family == "bart":
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 4}
        layers = {"encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20}
        config = BartConfig(vocab_size=VOCABULARY, d_model=16, max_position_embeddings=24, **heads, **layers)
        model = BartForConditionalGeneration(config)
    else:
        sizes = {"d_model": 16, "d_kv": 6, "d_ff": 20, "num_heads": 4, "num_layers": 2}
        kind = "gated-gelu" if "gated" in family else "relu"
        config = T5Config(vocab_size=VOCABULARY, **sizes, num_decoder_layers=3, feed_forward_proj=kind)
        model = T5ForConditionalGeneration(config)
    for weight in model.double().eval().parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model


class Parts(NamedTuple):
    """A layer of transformers, and an attention block's modules in it."""

    layer: Any
    values: Any
    projection: Any
    before: Any = None  # the norm of what the block attends to, in its own stack
    after: str = ""  # the norm after the residual
    ends: Any = None  # the module that gives the block's output


def parts_of(model: Any, name: str, layer: int) -> Parts:
    """Return the modules of a block of T5 or BART."""
    stack = model.get_encoder() if name == "encoder" else model.get_decoder()
    if model.config.model_type == "bart":
        here, kind = stack.layers[layer], "encoder_attn" if name == "cross" else "self_attn"
        attention, after = getattr(here, kind), f"{kind}_layer_norm"
        return Parts(here, attention.v_proj, attention.out_proj, after=after, ends=here.get_submodule(after))
    here = stack.block[layer].layer[name == "cross"]
    attention = here.EncDecAttention if name == "cross" else here.SelfAttention
    before = None if name == "cross" else here.layer_norm
    return Parts(here, attention.v, attention.o, before=before, ends=here)


@torch.no_grad()
def decomposed(model: Any, text: Text) -> dict[str, list[Decomposed]]:
    """Return the vectors of each block of a text by name, its output as the module itself gives it."""
    parts = {name: [parts_of(model, name, n) for n in range(depth)] for name, depth in DEPTHS.items()}
    outputs: dict[Any, Tensor] = {}

    def leave(module: Any, _inputs: Any, output: Any) -> None:
        outputs[module] = output[0][0] if isinstance(output, tuple) else output[0]

    hooks = [part.ends.register_forward_hook(leave) for stack in parts.values() for part in stack]
    ids, continuation = torch.tensor([text.ids]), torch.tensor([text.continuation])
    model.set_attn_implementation("eager")
    everything = {"output_attentions": True, "output_hidden_states": True}
    out = model(input_ids=ids, decoder_input_ids=continuation, **everything)
    for hook in hooks:
        hook.remove()

    def of_layer(name: str, layer: int) -> Decomposed:
        part, stack = parts[name][layer], "encoder" if name == "encoder" else "decoder"
        if name == "cross":
            start, p = outputs[parts["self"][layer].ends], out.cross_attentions[layer][0]
        else:
            start, p = (out[f"{stack}_{what}"][layer][0] for what in ("hidden_states", "attentions"))
        read = out.encoder_last_hidden_state[0] if name == "cross" else None
        return _of_block(part, start, p, outputs[part.ends], read)

    return {name: [of_layer(name, layer) for layer in range(depth)] for name, depth in DEPTHS.items()}


def _of_block(part: Parts, x: Tensor, p: Tensor, output: Tensor, read: Tensor | None) -> Decomposed:
    """Return T of residuals x [N, H] and attention p [A, N, J]; `read` is what cross-attention attends to."""
    heads, n, sources = p.shape
    attended = x if read is None else read
    if part.before is not None:
        attended = part.before(attended)
    values = part.values(attended).unflatten(-1, (heads, -1))
    by_head = part.projection.weight.T.unflatten(0, (heads, -1))
    context = torch.einsum("hij,jhd->ihd", p, values).flatten(1)
    whole = part.projection(context) + x
    vectors = torch.zeros(n, sources + (read is not None), x.shape[1], dtype=x.dtype)
    bias = torch.zeros_like(x)
    for i in range(n):
        norm = held(part.layer, part.after, whole[i])
        for j in range(sources):
            for h in range(heads):
                vectors[i, j] += norm(p[h, i, j] * (values[j, h] @ by_head[h]))
        vectors[i, i if read is None else sources] += norm(x[i])
        if part.after:
            bias[i] = norm(part.projection.bias) + part.layer.get_submodule(part.after).bias
    return Decomposed(vectors, bias, output, None)
