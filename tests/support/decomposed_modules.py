"""The vectors T_i(x_j) of transformers' own modules, by a loop over positions, tokens and heads."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.models.oracle import FAMILIES, Question
from support.module_jacobians import Caught, catch

Map = Callable[[Tensor], Tensor]


class Parts(NamedTuple):
    """What a family's layer has: its values [N, G d] of embeddings, and its modules."""

    values: Callable[[Any, Tensor], Tensor]
    inner: str = ""  # the norm on the attention's output
    first: str = ""  # after the residual
    last: str = ""  # at the layer's end
    beside: Callable[[Any, Tensor], Tensor] = lambda _, x: x


def _of_neox(layer: Any, x: Tensor) -> Tensor:
    heads = layer.attention.config.num_attention_heads
    by_head: Tensor = layer.attention.query_key_value(layer.input_layernorm(x)).view(len(x), heads, 3, -1)
    return by_head[:, :, 2].flatten(1)


_LLAMA = Parts(lambda layer, x: layer.self_attn.v_proj(layer.input_layernorm(x)))
PARTS = {
    "bert": Parts(
        lambda layer, x: layer.attention.self.value(x),
        first="attention.output.LayerNorm",
        last="output.LayerNorm",
    ),
    "distilbert": Parts(
        lambda layer, x: layer.attention.v_lin(x), first="sa_layer_norm", last="output_layer_norm"
    ),
    "modernbert": Parts(lambda layer, x: layer.attn.Wqkv(layer.attn_norm(x)).chunk(3, -1)[2]),
    "gpt2": Parts(lambda layer, x: layer.attn.c_attn(layer.ln_1(x)).chunk(3, -1)[2]),
    "llama": _LLAMA,
    "qwen2": _LLAMA,
    "gemma2": _LLAMA._replace(inner="post_attention_layernorm"),
    "olmo2": Parts(lambda layer, x: layer.self_attn.v_proj(x), inner="post_attention_layernorm"),
    "gpt_neox": Parts(_of_neox, beside=lambda layer, x: x + layer.mlp(layer.post_attention_layernorm(x))),
}
"""By the `model_type` of a model's config."""


class Decomposed(NamedTuple):
    """A layer's vectors by position and token, and the block's output."""

    vectors: Tensor  # [N, N, H]
    bias: Tensor  # [N, H]
    output: Tensor  # [N, H]
    to_end: Tensor | None  # the vectors behind the layer's last norm


def decomposed(model: Any, question: Question) -> Iterator[Decomposed]:
    """Yield each layer's vectors of a sentence."""
    parts = PARTS[model.config.model_type]
    places = FAMILIES[model.config.model_type]
    layers = list(model.get_submodule(places.layers))
    ends = (
        _inputs_of([layer.get_submodule(parts.last) for layer in layers], model, question)
        if parts.last
        else []
    )
    caught = catch(model, question)
    for index, layer in enumerate(layers):
        with torch.no_grad():
            yield _of_layer(layer, index, parts, places.projection, caught, ends)


def _of_layer(
    layer: Any, index: int, parts: Parts, projection: str, caught: Caught, ends: list[Tensor]
) -> Decomposed:
    x, p = [caught.start[0], *caught.states][index].detach(), caught.attentions[index]
    heads, n = p.shape[:2]
    out, beside = layer.get_submodule(projection), parts.beside(layer, x)
    values = parts.values(layer, x).unflatten(-1, (-1, caught.contexts[index].shape[-1] // heads))
    weight = (
        out.weight.T if isinstance(out, torch.nn.Linear) else out.weight
    )  # GPT-2's is the other way round
    by_head = weight.unflatten(0, (heads, -1))
    no_bias = torch.zeros(weight.shape[1], dtype=x.dtype)
    mixed = out(caught.contexts[index].detach())
    attended = mixed + beside
    if parts.inner:
        attended = layer.get_submodule(parts.inner)(mixed) + beside
    output = layer.get_submodule(parts.first)(attended) if parts.first else attended
    vectors, bias = torch.zeros(n, n, weight.shape[1], dtype=x.dtype), torch.zeros_like(output)
    to_end = torch.zeros_like(vectors)
    for i in range(n):
        inner = held(layer, parts.inner, mixed[i])
        first, last = (
            held(layer, parts.first, attended[i]),
            held(layer, parts.last, ends[index][i] if ends else None),
        )
        for j in range(n):
            for h in range(heads):
                value = values[j, h // (heads // values.shape[1])]
                vectors[i, j] += inner(p[h, i, j] * (value @ by_head[h]))
            vectors[i, j] += beside[i] if i == j else 0
            vectors[i, j] = first(vectors[i, j])
            to_end[i, j] = last(vectors[i, j])
        of_norm = layer.get_submodule(parts.first).bias if parts.first else 0
        bias[i] = first(inner(no_bias if out.bias is None else out.bias)) + of_norm
    return Decomposed(vectors, bias, output, to_end if parts.last else None)


def held(layer: Any, name: str, at: Tensor | None) -> Map:
    """Return a norm module as the linear map that it is with its statistics at a row held."""
    if not name or at is None:
        return lambda x: x
    norm = layer.get_submodule(name)
    if isinstance(norm, torch.nn.LayerNorm):
        deviation = (at.var(unbiased=False) + norm.eps).sqrt()
        return lambda x: norm.weight * (x - x.mean()) / deviation
    is_gemma = hasattr(norm, "eps")
    gain = norm.weight + 1 if is_gemma else norm.weight
    root = (at.square().mean() + (norm.eps if is_gemma else norm.variance_epsilon)).sqrt()
    return lambda x: gain * x / root


def _inputs_of(modules: list[Any], model: Any, question: Question) -> list[Tensor]:
    """Return what a forward pass gives each of some modules, [N, H]."""
    found: list[Tensor] = []
    hooks = [m.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0][0])) for m in modules]
    catch(model, question)
    for hook in hooks:
        hook.remove()
    return [x.detach() for x in found]
