"""Hugging Face models, loaded frozen and in a stated type, with the digest that identifies their numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.files import (
    COMMIT_LENGTH,
    commit_of,
    digest_of,
    folder_of,
    read_config,
    require_tokenizer,
)
from ipgraph.extractor.models.registry import Architecture, known
from ipgraph.extractor.models.weights import load_weights
from ipgraph.graphstore.common.errors import UsageError, unknown

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("auto", "cpu", "cuda")
ADAPTERS = known()
"""The architectures we know, by class name in transformers."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be traced."""

    name: str  # as the user gave it
    key: str  # in node ids: the name's last part and the start of the digest
    digest: str  # of weights, config and tokenizer, or the hub's commit
    task: Task
    classes: tuple[str, ...]  # the names of a classifier's, by number; none for a masked language model
    tokenizer: Any
    adapter: Adapter
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself


def load_model(
    name: str | Path, *, revision: str | None = None, device: str = "auto", dtype: str = "float32"
) -> LoadedModel:
    """Load a demo model by name, a local folder, or a model of the Hugging Face hub (safetensors only).

    `revision` is a branch, tag or commit of a hub model; `device` is one of DEVICES, `dtype` of DTYPES.
    Raises UsageError where the name, device, type or architecture cannot be used, IpgraphError where the
    model's files could not be read or lack weights.
    """
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    name = str(name)
    place = _device(device)
    folder = folder_of(name)
    is_local = Path(folder).is_dir()
    if is_local and revision is not None:
        raise UsageError(f"revision {revision!r} is of a hub model, and {name!r} is not one; leave it out")
    commit = None if is_local else commit_of(name, revision)
    config, tokenizer = read_config(name, folder, commit)
    task, make_adapter = _architecture(name, config)
    require_tokenizer(name, tokenizer, task)
    module = load_weights(name, folder, commit, config.architectures[0], DTYPES[dtype]).to(place)
    digest = commit or digest_of(Path(folder))
    return LoadedModel(
        name=name,
        key=f"{Path(name).name}-{digest[:8]}",
        digest=digest,
        task=task,
        classes=_classes(config) if task == "classifier" else (),
        tokenizer=tokenizer,
        adapter=make_adapter(module),
        device=place,
        dtype=DTYPES[dtype],
        module=module,
    )


def _classes(config: Any) -> tuple[str, ...]:
    return tuple(str(config.id2label[index]) for index in range(config.num_labels))


def load_same(name: str, digest: str, *, dtype: str, device: str = "auto") -> LoadedModel:
    """Load again the model that a digest is of; raises UsageError where its name leads to another one now."""
    revision = digest if len(digest) == COMMIT_LENGTH else None
    model = load_model(name, revision=revision, device=device, dtype=dtype)
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


def _architecture(name: str, config: Any) -> Architecture:
    architecture = (config.architectures or ["an unnamed architecture"])[0]
    if architecture not in ADAPTERS:
        raise unknown("architecture", architecture, ADAPTERS, f"of model {name!r}")
    if config.is_decoder or getattr(config, "add_cross_attention", False):
        raise UsageError(
            f"model {name!r} is a decoder or has cross-attention; patterns are defined here for encoders"
        )
    if (embedding := getattr(config, "position_embedding_type", None)) not in (None, "absolute"):
        raise UsageError(f"model {name!r} has {embedding} position embeddings; only absolute ones are known")
    if ADAPTERS[architecture].task == "classifier" and config.num_labels < 2:
        raise UsageError(f"model {name!r} has one output; the QoI is a difference and needs two classes")
    return ADAPTERS[architecture]
