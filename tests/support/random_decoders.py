"""Random decoders of every family, small, in float64, whose patterns move about and use all that is there."""

from typing import Any

from support.families import HEADS, LAYERS, WINDOW, Family, angles, random_of

TASKS = ["causal-lm", "classifier"]
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]


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
    """Return a random model of a family in float64; `changes` are to its config."""
    return random_of(FAMILIES[name], task, seed, 2.5, **changes)
