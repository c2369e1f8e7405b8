"""Random decoders of every family, small, in float64, whose patterns move about and use all that is there."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn import functional

VOCABULARY, LAYERS, HEADS, WINDOW = 40, 3, 4, 3
SCALE = 2.5
"""Of what attention adds, and of how sharply it looks."""
TASKS = ["causal-lm", "classifier"]
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]


class Family(NamedTuple):
    """A family's classes in transformers by the beginning of their names, and what its config has."""

    config: str
    causal: str
    classifier: str
    settings: dict[str, Any]


def angles(theta: float, **more: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta, **more}


def family(prefix: str, *, config: str = "", **settings: Any) -> Family:
    """Return a family of Llama's kind, with four heads in two groups."""
    common = {
        "hidden_size": 16,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "intermediate_size": 20,
        "max_position_embeddings": 24,
        "rope_parameters": angles(10.0),
    }
    return Family(
        f"{config or prefix}Config",
        f"{prefix}ForCausalLM",
        f"{config.removesuffix('Config') or prefix}ForSequenceClassification",
        common | settings,
    )


_WINDOWS: dict[str, Any] = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}
_GEMMA: dict[str, Any] = {
    "head_dim": 6,
    "query_pre_attn_scalar": 10,
    "final_logit_softcapping": 5.0,
    "sliding_window": WINDOW,
    "layer_types": SLIDING,
}
_NEOX: dict[str, Any] = {"rope_parameters": angles(10.0, partial_rotary_factor=0.5)}
FAMILIES = {
    "gpt2": Family(
        "GPT2Config",
        "GPT2LMHeadModel",
        "GPT2ForSequenceClassification",
        {"n_embd": 16, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 24, "n_inner": 20},
    ),
    "gpt_neox": family("GPTNeoX", **_NEOX),
    "gpt_neox, serial": family("GPTNeoX", **_NEOX, use_parallel_residual=False),
    "llama": family("Llama", head_dim=6),
    "mistral": family("Mistral", head_dim=6, sliding_window=WINDOW),
    "qwen2": family("Qwen2", **_WINDOWS),
    "qwen3": family("Qwen3", head_dim=6, **_WINDOWS),
    "phi3": family("Phi3", sliding_window=WINDOW, rope_parameters=angles(10.0, partial_rotary_factor=0.5)),
    "olmo2": family("Olmo2"),
    "gemma2": family("Gemma2", **_GEMMA, attn_logit_softcapping=2.0),
    "gemma3": family(
        "Gemma3",
        config="Gemma3Text",
        **_GEMMA,
        rope_parameters={"sliding_attention": angles(10.0), "full_attention": angles(100.0)},
    ),
}


def random_decoder(name: str, task: str, seed: int, **changes: Any) -> Any:
    """Return a random model in float64, as transformers computes it; `changes` are to its config."""
    torch.manual_seed(seed)
    family = FAMILIES[name]
    common = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = getattr(transformers, family.config)(
        tie_word_embeddings=False,
        num_labels=3,
        attn_implementation="eager",
        **(common | family.settings | changes),
    )
    kind = family.causal if task == "causal-lm" else family.classifier
    model = getattr(transformers, kind)(config).double().eval().requires_grad_(False)
    for weight_name, weight in model.named_parameters():
        weight.copy_(_random_weight(weight_name, weight, family))
    return model


def _random_weight(name: str, weight: Tensor, family: Family) -> Tensor:
    noise: Tensor = torch.randn(weight.shape, dtype=torch.float64)
    is_gemma = "Gemma" in family.config
    if weight.dim() == 1 and "weight" in name:
        return 0.2 * noise + (0 if is_gemma else 1)
    if name.endswith("bias"):
        return 0.5 * noise
    if any(part in name for part in ("embed", "wte", "wpe")):
        return noise * (0.25 if is_gemma else 1.0)
    fan = weight.shape[0] if ".c_" in name else weight.shape[1]
    return noise * ((SCALE if "att" in name else 1.0) / math.sqrt(fan))


def norms_of(model: Any) -> list[Any]:
    return [module for module in model.modules() if "RMSNorm" in type(module).__name__]


def in_float64(norm: Any) -> Callable[[Tensor], Tensor]:
    """Return what an RMSNorm module computes, in the type of its input."""
    is_gemma = hasattr(norm, "eps")
    gain = norm.weight + 1 if is_gemma else norm.weight
    eps = norm.eps if is_gemma else norm.variance_epsilon
    return lambda x: gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def without_float32(model: Any, patch: pytest.MonkeyPatch) -> Any:
    """Let a model compute RMSNorm, and all models while `patch` lasts softmax, in the type of the input."""
    softmax = functional.softmax
    patch.setattr(functional, "softmax", lambda x, dim=None, dtype=None: softmax(x, dim=dim))  # noqa: ARG005
    for norm in norms_of(model):
        norm.forward = in_float64(norm)
    return model
