"""A model's parts, of files or of an object: its class, tokenizer, weights and digest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.adapter import Architecture
from ipgraph.extractor.models.digests import digest_of_folder, digest_of_object
from ipgraph.extractor.models.files import (
    commit_of,
    folder_of,
    named,
    read_config,
    read_tokenizer,
    require_tokenizer,
)
from ipgraph.extractor.models.objects import (
    OBJECT,
    architecture_of,
    frozen_copy,
    object_name,
    require_standard,
)
from ipgraph.extractor.models.registry import ARCHITECTURES, choose, first_class, is_known, refusal
from ipgraph.extractor.models.tasks import choose_class, task_of
from ipgraph.extractor.models.weights import load_weights, require_safetensors, weight_names
from ipgraph.graphstore.common.errors import UsageError


@dataclass(frozen=True)
class Wanted:
    """How a model is asked for."""

    task: str | None  # None: as its config or its weights say
    revision: str | None
    device: torch.device
    dtype: torch.dtype
    needs_adapter: bool = False  # refuse models without one before their weights are read


@dataclass(frozen=True)
class Parts:
    """What is loaded of a model."""

    name: str  # as the user gave it
    short: str  # as node ids have it
    digest: str
    task: Task
    architecture: Architecture | None  # None of a family without an adapter
    tokenizer: Any
    module: Any


def parts_of(model: Any, tokenizer: Any, wanted: Wanted) -> Parts:
    """Return the parts of a demo model, a folder, a hub model, or an object with its tokenizer."""
    if not isinstance(model, str | Path):
        return _of_object(model, tokenizer, wanted)
    if tokenizer is not None:
        raise UsageError(f"model {str(model)!r} brings its own tokenizer; pass one with a model object only")
    return _of_files(named(model), wanted)


def locate(name: str, revision: str | None) -> tuple[str, str | None]:
    """Return a model's folder and None, or its id on the hub and its commit.

    Raises UsageError for an object's name, a folder with a revision, or a name that leads nowhere.
    """
    if name.startswith(OBJECT):
        raise UsageError(f"model {name!r} was an object in Python and has no files; pass the object again")
    folder = folder_of(name)
    is_local = Path(folder).is_dir()
    if is_local and revision is not None:
        raise UsageError(f"revision {revision!r} is of a hub model, and {name!r} is not one; leave it out")
    return folder, None if is_local else commit_of(name, revision)


def _of_files(name: str, wanted: Wanted) -> Parts:
    folder, commit = locate(name, wanted.revision)
    config = read_config(name, folder, commit)
    if wanted.needs_adapter and not is_known(config):
        raise refusal(f"model {name!r}", first_class(config), config)
    _require_config(name, config)
    require_safetensors(name, folder, commit)
    architecture: Architecture | None = None
    if is_known(config):
        kind, architecture = choose(name, config, wanted.task, lambda: weight_names(folder, commit))
        task = architecture.task
    else:
        kind, task = choose_class(name, config, wanted.task)
    tokenizer = read_tokenizer(name, folder, commit)
    require_tokenizer(name, tokenizer, task)
    module = load_weights(name, folder, commit, config, kind, wanted.dtype).to(wanted.device)
    digest = commit or digest_of_folder(Path(folder))
    return Parts(name, Path(name).name, digest, task, architecture, tokenizer, module)


def _of_object(model: Any, tokenizer: Any, wanted: Wanted) -> Parts:
    architecture, task = _kind_of(model, wanted)
    require_standard(model)
    name = object_name(model)
    if tokenizer is None:
        raise UsageError(f"model {name!r} needs its tokenizer: pass it as `tokenizer`")
    if wanted.revision is not None or wanted.task not in (None, task):
        raise UsageError(f"model {name!r} is a {task} object; leave out task and revision")
    _require_config(name, model.config)
    require_tokenizer(name, tokenizer, task)
    digest = digest_of_object(model, tokenizer)
    copies = frozen_copy(tokenizer, model, wanted.device, wanted.dtype)
    return Parts(name, name.removeprefix(OBJECT), digest, task, architecture, *copies)


def _kind_of(model: Any, wanted: Wanted) -> tuple[Architecture | None, Task]:
    """Return a model object's architecture, None where it has no adapter, and its task."""
    kind = type(model).__name__
    task = None if wanted.needs_adapter or kind in ARCHITECTURES else task_of(kind)
    if task is not None:
        return None, task
    architecture = architecture_of(model)
    return architecture, architecture.task


def _require_config(name: str, config: Any) -> None:
    """Raise UsageError for a config of a model whose numbers would mean nothing here."""

    def value(setting: str) -> Any:
        return getattr(config, setting, None)

    if value("quantization_config"):
        raise UsageError(
            f"model {name!r} has quantised weights (quantization_config); use the model that it was made from"
        )
    if value("pruned_heads"):
        raise UsageError(f"model {name!r} has pruned heads, and every layer must have all of its heads")
    if (layers := value("num_hidden_layers")) is not None and layers < 1:
        raise UsageError(f"model {name!r} has {layers} layers by its config; it needs at least 1")
    if not is_known(config):
        return
    if value("is_decoder") or value("add_cross_attention"):
        raise UsageError(
            f"model {name!r} is a decoder of a family of encoders (is_decoder) or has cross-attention; "
            "patterns are not defined for it here"
        )
    if (embedding := value("position_embedding_type")) not in (None, "absolute"):
        raise UsageError(f"model {name!r} has {embedding} position embeddings; only absolute ones are known")
