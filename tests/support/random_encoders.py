"""Random encoders of every family, small, in float64, whose patterns move about and use all that is there."""

from typing import Any

from support.families import HEADS, LAYERS, WINDOW, Family, angles, random_of

TASKS = ["masked-lm", "classifier"]


def family(prefix: str, **settings: Any) -> Family:
    """Return a family of BERT's kind, with its settings."""
    common = {
        "hidden_size": 16,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 20,
        "max_position_embeddings": 24,
    }
    names = (f"{prefix}Config", f"{prefix}ForMaskedLM", f"{prefix}ForSequenceClassification")
    return Family(*names, common | settings)


_PADDED: dict[str, Any] = {"pad_token_id": 3, "type_vocab_size": 2}
_MODERN: dict[str, Any] = {
    "cls_token_id": 1,
    "sep_token_id": 2,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
    "local_attention": 2 * WINDOW - 2,
    "rope_parameters": {"sliding_attention": angles(10.0), "full_attention": angles(100.0)},
}
_BIASES = dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True)
FAMILIES = {
    "roberta": family("Roberta", **_PADDED),
    "xlm-roberta": family("XLMRoberta", **_PADDED),
    "camembert": family("Camembert", **_PADDED),
    "distilbert": Family(
        "DistilBertConfig",
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
        {"dim": 16, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 20, "max_position_embeddings": 24},
    ),
    "electra": family("Electra", embedding_size=10),
    "electra, as wide": family("Electra", embedding_size=16, hidden_act="relu"),
    "albert": family("Albert", embedding_size=10),
    "albert, two groups": family("Albert", embedding_size=10, num_hidden_groups=2),
    "mpnet": family("MPNet", pad_token_id=3),
    "modernbert": family("ModernBert", **_MODERN),
    "modernbert, biases": family("ModernBert", **_MODERN, **_BIASES),
}
WITH_TYPES = [name for name in FAMILIES if name.split(",")[0] not in ("distilbert", "mpnet", "modernbert")]
"""Families whose words have types."""


def random_encoder(name: str, task: str, seed: int, **changes: Any) -> Any:
    """Return a random model of a family in float64; `changes` are to its config."""
    return random_of(FAMILIES[name], task, seed, 1.5, **changes)
