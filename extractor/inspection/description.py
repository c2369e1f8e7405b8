"""What a model is, what can be asked of it and what that costs, or why nothing can be asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.inspection.structure import norms_of, sight_of
from ipgraph.extractor.inspection.support import Choice, choices
from ipgraph.extractor.inspection.trial import Trial, run_trial
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.models.files import named, read_config, read_tokenizer
from ipgraph.extractor.models.loading import LoadedModel, Model, load_any, require_options
from ipgraph.extractor.models.parts import locate
from ipgraph.extractor.models.shapes import DECODER, ENCODER, first_of
from ipgraph.extractor.models.weights import stored_types
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

_TOKENS = ("bos", "eos", "cls", "sep", "mask", "unk", "pad")
_OF_CONFIG = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "key/value groups": "num_key_value_heads",
    "hidden size": "hidden_size",
    "vocabulary": "vocab_size",
    "longest text": "max_position_embeddings",
    "window": "sliding_window",
}
_NORMS = {"t5": "RMSNorm before each branch", "bart": "LayerNorm after each residual"}
"""Of encoder-decoders, by family."""
_HELD, _MOVED = "keeps its embedding and has no pattern", "moves as the others"
_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class Description:
    """A model's facts by name, its options, and what a sentence costs: None where none can be extracted."""

    name: str
    facts: dict[str, object]
    choices: list[Choice]
    trial: Trial | None


def describe(
    name: str | Path,
    *,
    task: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> Description:
    """Describe a demo model, a folder or a model of the Hugging Face hub; the options are `load_any`'s.

    A model that cannot be used is described by its config, with the reason. Raises UsageError where the name
    leads nowhere or an option is wrong, IpgraphError where files could not be read.
    """
    require_options(task, device, dtype)
    name = named(name)
    folder, commit = locate(name, revision)
    try:
        model = load_any(name, task=task, revision=commit, device=device, dtype=dtype)
    except UsageError as error:
        return _refused(name, folder, commit, str(error))
    if not isinstance(model, LoadedModel):
        return Description(name, _of_unknown(model, folder), choices(model), None)
    facts = _facts(model, folder)
    try:
        return Description(name, facts, choices(model), run_trial(model))
    except IpgraphError as error:  # memory does not suffice for one sentence
        return Description(name, facts | {"one sentence": str(error)}, choices(model), None)


def _facts(model: LoadedModel, folder: str) -> dict[str, object]:
    adapter, first = model.adapter, model.adapter.layers[0].mixing
    facts = _kind(model) | {
        "layers": len(adapter.layers),
        "heads": adapter.heads,
        "key/value groups": first.groups,
        "units per head": first.size,
        "hidden size": adapter.hidden,
        "vocabulary": len(adapter.words),
        "longest text": adapter.max_positions,
        "norms": norms_of(adapter),
        "a position sees": sight_of(adapter),
        **_content(model, folder),
        "default baseline": baselines.resolve(model, None),
        "position 0": _HELD if Options().holds_first(model) else _MOVED,
        "guided patterns": "yes",
    }
    return _known(facts)


def _kind(model: Model) -> dict[str, object]:
    return {
        "family": model.module.config.model_type,
        "class": type(model.module).__name__,
        "task": model.task,
        "classes": list(model.classes),
        "outputs": model.outputs if model.classes else None,
    }


def _content(model: Model, folder: str) -> dict[str, object]:
    return {
        "parameters": sum(weight.numel() for weight in model.module.parameters()),
        "stored as": _stored(folder)[1],
        "special tokens": _tokens(model.tokenizer),
    }


def _of_unknown(model: Model, folder: str) -> dict[str, object]:
    """Return the facts of a model without an adapter."""
    is_double = model.task == "seq2seq"
    facts = _kind(model) | _settings(model.module.config) | {"vocabulary": model.vocabulary}
    facts |= {"norms": _NORMS.get(model.module.config.model_type)} if is_double else _sight(model)
    facts |= {"attentions": "encoder, self and cross, by name" if is_double else "self"}
    return _known(facts | _content(model, folder) | {"guided patterns": "no"})


def _sight(model: Model) -> dict[str, object]:
    sees = "itself, all before it" if model.is_causal else "all positions"
    reads = f"the {model.reads} position" if model.classes else None
    return {"a position sees": sees, "the classifier reads": reads}


def _refused(name: str, folder: str, commit: str | None, reason: str) -> Description:
    config = read_config(name, folder, commit)
    named_classes = list(config.architectures or ())
    count, types = _stored(folder)
    facts: dict[str, object] = {"family": config.model_type, "class": named_classes} | _settings(config)
    facts |= {"parameters": count or None, "stored as": types}
    facts |= {"special tokens": _tokens_of(name, folder, commit), "guided patterns": "no"}
    return Description(name, _known(facts), [Choice("method", " ".join(METHODS), reason)], None)


def _settings(config: Any) -> dict[str, object]:
    """Return a config's settings by fact, of both stacks where there are two."""
    if not config.is_encoder_decoder:
        config = config.get_text_config()
        return {fact: getattr(config, setting, None) for fact, setting in _OF_CONFIG.items()}
    found = {fact: getattr(config, setting, None) for fact, setting in _OF_CONFIG.items()}
    stacks = {"encoder": ENCODER, "decoder": DECODER}
    own = {f"{stack} {fact}": first_of(config, s[fact]) for stack, s in stacks.items() for fact in s}
    return own | {fact: value for fact, value in found.items() if fact not in ENCODER}


def _known(facts: dict[str, object]) -> dict[str, object]:
    return {fact: value for fact, value in facts.items() if value not in (None, "", [])}


def _stored(folder: str) -> tuple[int, str]:
    """Return how many numbers a folder's weights are, and their types; of a hub model nothing is said."""
    counts = stored_types(folder)
    return sum(counts.values()), ", ".join(_TYPES.get(kind, kind) for kind in counts)


def _tokens_of(name: str, folder: str, commit: str | None) -> list[str]:
    try:
        return _tokens(read_tokenizer(name, folder, commit))
    except IpgraphError:  # of a model that cannot be used anyway
        return []


def _tokens(tokenizer: Any) -> list[str]:
    tokens = ((token, getattr(tokenizer, f"{token}_token", None)) for token in _TOKENS)
    return [f"{token} {value}" for token, value in tokens if value is not None]
