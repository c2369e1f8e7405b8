"""A trained model's weights in other architectures that can compute the same."""

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

State = dict[str, Tensor]
SHIFT = 2
"""By how many rows a table of positions begins later where the padding's index is 1."""
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "hidden_act",
)
_LLAMA = ("num_key_value_heads", "rms_norm_eps", "rope_parameters")


def _built(kind: str, model: Any, names: tuple[str, ...], state: State, **settings: Any) -> Any:
    """Return another class with these weights, all of them and no others, and the model's settings."""
    shared = {name: getattr(model.config, name) for name in names}
    made = getattr(transformers, kind)
    config = made.config_class(**(shared | settings), attn_implementation="eager")
    other = made(config).to(model.dtype).eval().requires_grad_(False)
    other.load_state_dict(state)
    return other


def _renamed(state: State, *names: tuple[str, str]) -> State:
    """Return weights by other names: in order, the first part of each pair becomes the second."""
    found = {}
    for name, weight in state.items():
        for old, new in names:
            name = name.replace(old, new)
        found[name] = weight
    return found


def _without(state: State, *parts: str) -> State:
    return {name: weight for name, weight in state.items() if not any(part in name for part in parts)}


def _shifted(state: State) -> State:
    """Return weights with rows in front of the table of positions, which nothing reads."""
    name = "bert.embeddings.position_embeddings.weight"
    return state | {name: torch.cat([torch.full_like(state[name][:SHIFT], 9.0), state[name]])}


def _without_types(state: State) -> State:
    """Return weights without token types, the first one in the positions."""
    position, kind = (f"bert.embeddings.{name}_embeddings.weight" for name in ("position", "token_type"))
    return _without(state, "token_type") | {position: state[position] + state[kind][0]}


_ROBERTA_HEAD = (
    ("cls.predictions.transform.dense", "lm_head.dense"),
    ("cls.predictions.transform.LayerNorm", "lm_head.layer_norm"),
    ("cls.predictions", "lm_head"),
)


def _as_roberta(bert: Any) -> Any:
    state = _renamed(_shifted(bert.state_dict()), ("bert.", "roberta."), *_ROBERTA_HEAD)
    longest = bert.config.max_position_embeddings + SHIFT
    settings = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": SHIFT - 1}
    return _built("RobertaForMaskedLM", bert, _SIZES, state, max_position_embeddings=longest, **settings)


def _as_mpnet(bert: Any) -> Any:
    state = _renamed(
        _without_types(_shifted(bert.state_dict())),
        ("bert.", "mpnet."),
        ("attention.output.LayerNorm", "attention.LayerNorm"),
        ("attention.output.dense", "attention.attn.o"),
        *((f"self.{name}", f"attn.{name[0]}") for name in ("query", "key", "value")),
        *_ROBERTA_HEAD,
    )
    state["mpnet.encoder.relative_attention_bias.weight"] = torch.zeros(32, bert.config.num_attention_heads)
    longest = bert.config.max_position_embeddings + SHIFT
    return _built("MPNetForMaskedLM", bert, _SIZES, state, max_position_embeddings=longest)


def _as_distilbert(bert: Any) -> Any:
    state = _renamed(
        _without(_without_types(bert.state_dict()), "predictions.bias"),
        ("bert.", "distilbert."),
        ("encoder.layer", "transformer.layer"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("attention.output.dense", "attention.out_lin"),
        ("output.LayerNorm", "output_layer_norm"),
        ("output.dense", "ffn.lin2"),
        ("intermediate.dense", "ffn.lin1"),
        *((f"self.{name}", f"{name[0]}_lin") for name in ("query", "key", "value")),
        ("cls.predictions.transform.dense", "vocab_transform"),
        ("cls.predictions.transform.LayerNorm", "vocab_layer_norm"),
        ("cls.predictions.decoder", "vocab_projector"),
    )
    config = bert.config
    settings = {
        "dim": config.hidden_size,
        "hidden_dim": config.intermediate_size,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "activation": config.hidden_act,
    }
    return _built("DistilBertForMaskedLM", bert, ("vocab_size", "max_position_embeddings"), state, **settings)


def _as_electra(bert: Any) -> Any:
    state = _renamed(
        _without(bert.state_dict(), "predictions.bias"),
        ("bert.", "electra."),
        ("cls.predictions.transform", "generator_predictions"),
        ("cls.predictions.decoder", "generator_lm_head"),
    )
    return _built("ElectraForMaskedLM", bert, _SIZES, state, embedding_size=bert.config.hidden_size)


def _as_albert(bert: Any) -> Any:
    state = _renamed(
        bert.state_dict(),
        ("bert.", "albert."),
        *((f"encoder.layer.{i}.", f"encoder.albert_layer_groups.{i}.albert_layers.0.") for i in range(6)),
        ("attention.output.", "attention."),
        ("attention.self.", "attention."),
        ("output.LayerNorm", "full_layer_layer_norm"),
        ("output.dense", "ffn_output"),
        ("intermediate.dense", "ffn"),
        ("cls.predictions.transform", "predictions"),
        ("cls.predictions", "predictions"),
    )
    width = bert.config.hidden_size
    into = "albert.encoder.embedding_hidden_mapping_in"
    state |= {f"{into}.weight": torch.eye(width), f"{into}.bias": torch.zeros(width)}
    groups = bert.config.num_hidden_layers
    return _built("AlbertForMaskedLM", bert, _SIZES, state, embedding_size=width, num_hidden_groups=groups)


def _as_mistral(llama: Any) -> Any:
    return _built("MistralForCausalLM", llama, _SIZES + _LLAMA, llama.state_dict(), sliding_window=None)


def _as_qwen2(llama: Any) -> Any:
    state = llama.state_dict()
    maps = [name for name in state if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))]
    state |= {name.replace(".weight", ".bias"): torch.zeros(len(state[name])) for name in maps}
    return _built("Qwen2ForCausalLM", llama, _SIZES + _LLAMA, state)


def _as_phi3(llama: Any) -> Any:
    state = _without(llama.state_dict(), "q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
    for index, layer in enumerate(llama.model.layers):
        attention, mlp, name = layer.self_attn, layer.mlp, f"model.layers.{index}"
        packed = (attention.q_proj, attention.k_proj, attention.v_proj)
        state[f"{name}.self_attn.qkv_proj.weight"] = torch.cat([module.weight for module in packed])
        state[f"{name}.mlp.gate_up_proj.weight"] = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    settings = {"sliding_window": None, "pad_token_id": llama.config.pad_token_id}
    return _built("Phi3ForCausalLM", llama, _SIZES + _LLAMA, state, **settings)


REHOSTED: dict[str, Callable[[Any], Any]] = {
    "roberta": _as_roberta,
    "distilbert": _as_distilbert,
    "electra": _as_electra,
    "albert": _as_albert,
    "mpnet": _as_mpnet,
}
"""BERT's relatives, of a `BertForMaskedLM`."""
REHOSTED_DECODERS: dict[str, Callable[[Any], Any]] = {
    "mistral": _as_mistral,
    "qwen2": _as_qwen2,
    "phi3": _as_phi3,
}
"""Llama's relatives, of a `LlamaForCausalLM`."""
