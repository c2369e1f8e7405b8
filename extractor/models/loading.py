"""Hugging Face models, loaded frozen and in a stated type, with the digest that identifies their numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.adapter import Adapter, Architecture
from ipgraph.extractor.models.classes import Outputs, class_names, outputs_of
from ipgraph.extractor.models.digests import digest_of_folder, digest_of_object
from ipgraph.extractor.models.files import (
    COMMIT_LENGTH,
    commit_of,
    folder_of,
    named,
    read_config,
    read_tokenizer,
    require_tokenizer,
    require_tokens,
)
from ipgraph.extractor.models.objects import OBJECT, frozen_copy, object_name, require_standard
from ipgraph.extractor.models.registry import choose, require_family
from ipgraph.extractor.models.weights import load_weights, require_safetensors, weight_names
from ipgraph.graphstore.common.errors import UsageError, unknown

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be traced."""

    name: str  # as the user gave it
    key: str  # in node ids: the name's last part and the start of the digest
    digest: str  # of weights, config and tokenizer, or the hub's commit
    task: Task
    classes: tuple[str, ...]  # the names of a classifier's, by number; none for a masked language model
    outputs: Outputs
    tokenizer: Any
    adapter: Adapter
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself

    @property
    def padding(self) -> int | None:
        """The token that the model takes for padding, whatever its tokenizer pads with."""
        padding: int | None = self.module.config.get_text_config().pad_token_id
        return padding


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
    "masked-lm" or "classifier", for files that serve several or do not say; `revision` is a branch, tag or
    commit of a hub model; `device` is one of DEVICES, `dtype` of DTYPES.
    Raises UsageError where the name, device, type or architecture cannot be used, IpgraphError where the
    model's files could not be read or lack weights.
    """
    place = require_options(task, device, dtype)
    if not isinstance(model, str | Path):
        return _from_object(model, tokenizer, task, revision, place, DTYPES[dtype])
    if tokenizer is not None:
        raise UsageError(f"model {str(model)!r} brings its own tokenizer; pass one with a model object only")
    return _from_files(named(model), task, revision, place, DTYPES[dtype])


def require_options(task: str | None, device: str, dtype: str) -> torch.device:
    """Return the device that is asked for; raises UsageError for a task, device or type that is not one."""
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    if task is not None and task not in get_args(Task):
        raise unknown("task", task, get_args(Task))
    return _device(device)


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


def _from_files(
    name: str, task: str | None, revision: str | None, device: torch.device, dtype: torch.dtype
) -> LoadedModel:
    folder, commit = locate(name, revision)
    config = read_config(name, folder, commit)
    require_family(name, config)
    _require_config(name, config)
    require_safetensors(name, folder, commit)
    loaded_as, architecture = choose(name, config, task, lambda: weight_names(folder, commit))
    tokenizer = read_tokenizer(name, folder, commit)
    require_tokenizer(name, tokenizer, architecture.task)
    module = load_weights(name, folder, commit, config, loaded_as, dtype).to(device)
    digest = commit or digest_of_folder(Path(folder))
    return _loaded(name, Path(name).name, digest, architecture, tokenizer, module, device, dtype)


def _from_object(
    model: Any,
    tokenizer: Any,
    task: str | None,
    revision: str | None,
    device: torch.device,
    dtype: torch.dtype,
) -> LoadedModel:
    architecture = require_standard(model)
    name = object_name(model)
    if tokenizer is None:
        raise UsageError(f"model {name!r} needs its tokenizer: pass it as `tokenizer`")
    if revision is not None or task not in (None, architecture.task):
        raise UsageError(f"model {name!r} is a {architecture.task} object; leave out task and revision")
    _require_config(name, model.config)
    require_tokenizer(name, tokenizer, architecture.task)
    digest = digest_of_object(model, tokenizer)
    copies = frozen_copy(tokenizer, model, device, dtype)
    return _loaded(name, name.removeprefix(OBJECT), digest, architecture, *copies, device, dtype)


def _loaded(
    name: str,
    short: str,
    digest: str,
    architecture: Architecture,
    tokenizer: Any,
    module: Any,
    device: torch.device,
    dtype: torch.dtype,
) -> LoadedModel:
    is_classifier = architecture.task == "classifier"
    adapter = architecture.adapter(module)
    if adapter.reads == "first":
        require_tokens(name, tokenizer, "cls", "sep")
    return LoadedModel(
        name=name,
        key=f"{short}-{digest[:8]}",
        digest=digest,
        task=architecture.task,
        classes=class_names(module.config) if is_classifier else (),
        outputs=outputs_of(module.config) if is_classifier else "exclusive",
        tokenizer=tokenizer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        module=module,
    )


def load_same(
    name: str, digest: str, *, dtype: str, task: str | None = None, device: str = "auto"
) -> LoadedModel:
    """Load again the model that a digest is of; raises UsageError where its name leads to another one now."""
    revision = digest if len(digest) == COMMIT_LENGTH else None
    model = load_model(name, task=task, revision=revision, device=device, dtype=dtype)
    if model.digest != digest:
        raise UsageError(
            f"model {name!r} has changed: its digest is {model.digest[:12]}, and {digest[:12]} is needed"
        )
    return model


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


def _require_config(name: str, config: Any) -> None:
    """Raise UsageError for a config of a model for which patterns are not defined here."""

    def value(setting: str) -> Any:
        return getattr(config, setting, None)

    if value("is_decoder") or value("add_cross_attention"):
        raise UsageError(
            f"model {name!r} is a decoder of a family of encoders (is_decoder) or has cross-attention; "
            "patterns are not defined for it here"
        )
    if (embedding := value("position_embedding_type")) not in (None, "absolute"):
        raise UsageError(f"model {name!r} has {embedding} position embeddings; only absolute ones are known")
    if value("quantization_config"):
        raise UsageError(
            f"model {name!r} has quantised weights (quantization_config); use the model that it was made from"
        )
    if value("pruned_heads"):
        raise UsageError(f"model {name!r} has pruned heads, and every layer must have all of its heads")
    if (layers := config.num_hidden_layers) < 1:
        raise UsageError(f"model {name!r} has {layers} layers by its config; it needs at least 1")
