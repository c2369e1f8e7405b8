"""Hugging Face models, loaded frozen and in a stated type, with the digest that identifies their numbers."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

import torch

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.classes import Outputs, class_names, outputs_of
from ipgraph.extractor.models.files import COMMIT_LENGTH, require_tokens
from ipgraph.extractor.models.parts import Parts, Wanted, parts_of
from ipgraph.extractor.models.registry import refusal
from ipgraph.extractor.models.sight import Reads, Sight, longest_text, sight_of
from ipgraph.graphstore.common.errors import UsageError, unknown

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Model:
    """A frozen model of transformers: what methods need that take attentions, or run it as it is."""

    name: str  # as the user gave it
    key: str  # in node ids: the name's last part and the start of the digest
    digest: str  # of weights, config and tokenizer, or the hub's commit
    task: Task
    classes: tuple[str, ...]  # the names of a classifier's, by number; none for a language model
    outputs: Outputs
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself
    vocabulary: int  # how many pieces have an embedding
    max_positions: int  # of an encoder-decoder, each stack's
    reads: Reads  # the position whose embedding a classifier reads
    is_causal: bool  # no position sees a later one; of an encoder-decoder, its decoder's

    @property
    def padding(self) -> int | None:
        """The token that the model takes for padding, whatever its tokenizer pads with."""
        padding: int | None = self.module.config.get_text_config().pad_token_id
        return padding


@dataclass(frozen=True)
class LoadedModel(Model):
    """A model of a known family, ready to be traced."""

    adapter: Adapter


def load_model(
    model: Any = "demo",
    *,
    tokenizer: Any = None,
    task: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> LoadedModel:
    """Load a demo model by name, a folder, a model of the Hugging Face hub (safetensors only), or an object.

    An object is a model of transformers with its fast `tokenizer`: a copy of both is used. `task` is
    "masked-lm", "causal-lm" or "classifier", for files that serve several or do not say; `revision` is a
    branch, tag or commit of a hub model; `device` is one of DEVICES, `dtype` of DTYPES.
    Raises UsageError where the name, device, type or architecture cannot be used, IpgraphError where the
    model's files could not be read or lack weights.
    """
    wanted = Wanted(task, revision, require_options(task, device, dtype), DTYPES[dtype], needs_adapter=True)
    return require_adapter(_loaded(parts_of(model, tokenizer, wanted), wanted))


def load_any(
    model: Any = "demo",
    *,
    tokenizer: Any = None,
    task: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> Model:
    """Load what `load_model` loads, and models of all other families that transformers has.

    These are language models, classifiers that read the first or the last position, and encoder-decoders
    (the task "seq2seq"). Raises what `load_model` raises.
    """
    wanted = Wanted(task, revision, require_options(task, device, dtype), DTYPES[dtype])
    return _loaded(parts_of(model, tokenizer, wanted), wanted)


def require_adapter(model: Model) -> LoadedModel:
    """Return a model that has an adapter; raises UsageError for any other."""
    if isinstance(model, LoadedModel):
        return model
    raise refusal(f"model {model.name!r}", type(model.module).__name__, model.module.config)


def require_options(task: str | None, device: str, dtype: str) -> torch.device:
    """Return the device that is asked for; raises UsageError for a task, device or type that is not one."""
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    if task is not None and task not in get_args(Task):
        raise unknown("task", task, get_args(Task))
    return _device(device)


def load_same(name: str, digest: str, *, dtype: str, task: str | None = None, device: str = "auto") -> Model:
    """Load again the model that a digest is of; raises UsageError where its name leads to another one now."""
    revision = digest if len(digest) == COMMIT_LENGTH else None
    model = load_any(name, task=task, revision=revision, device=device, dtype=dtype)
    if model.digest != digest:
        raise UsageError(
            f"model {name!r} has changed: its digest is {model.digest[:12]}, and {digest[:12]} is needed"
        )
    return model


def _loaded(parts: Parts, wanted: Wanted) -> Model:
    is_classifier, config = parts.task == "classifier", parts.module.config
    common: dict[str, Any] = {
        "name": parts.name,
        "key": f"{parts.short}-{parts.digest[:8]}",
        "digest": parts.digest,
        "task": parts.task,
        "classes": class_names(config) if is_classifier else (),
        "outputs": outputs_of(config) if is_classifier else "exclusive",
        "tokenizer": parts.tokenizer,
        "device": wanted.device,
        "dtype": wanted.dtype,
        "module": parts.module,
    }
    if parts.architecture is None:
        return Model(**common, **_unadapted(parts))
    adapter = parts.architecture.adapter(parts.module)
    if adapter.reads == "first":
        require_tokens(parts.name, parts.tokenizer, "cls", "sep")
    return LoadedModel(**common, **_adapted(adapter))


def _adapted(adapter: Adapter) -> dict[str, Any]:
    """Return what a model takes and reads, as its adapter says it, and the adapter."""
    return {
        "vocabulary": len(adapter.words),
        "max_positions": adapter.max_positions,
        "reads": adapter.reads,
        "is_causal": all(layer.mixing.ahead == 0 for layer in adapter.layers),
        "adapter": adapter,
    }


def _unadapted(parts: Parts) -> dict[str, Any]:
    """Return what a model takes and reads, as it says itself."""
    vocabulary = len(parts.module.get_input_embeddings().weight)
    sight = Sight("last", is_causal=True)
    if parts.task != "seq2seq":
        added = {*parts.tokenizer.all_special_ids, parts.module.config.get_text_config().pad_token_id}
        words = (number for number in range(vocabulary) if number not in added)
        sight = sight_of(parts.name, parts.module, list(islice(words, 4)))
    return {"vocabulary": vocabulary, "max_positions": longest_text(parts.module), **sight._asdict()}


def _device(name: str) -> torch.device:
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda' is not available on this machine; use 'cpu' or 'auto'")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    # The results must be those of the CPU: no reduced-precision matrix products.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")
