"""Models that are objects in Python already: what they are called, and copies that leave them as they are."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.models.adapter import Architecture
from ipgraph.extractor.models.registry import ARCHITECTURES, refusal
from ipgraph.graphstore.common.errors import UsageError

OBJECT = "object:"
"""What the name of such a model begins with: it has no files from which it could be loaded again."""


def object_name(model: Any) -> str:
    """Return a model object's name: that of the files it came from, else its class."""
    origin = Path(str(getattr(model.config, "name_or_path", "") or "")).name
    return OBJECT + (origin or type(model).__name__)


def architecture_of(model: Any) -> Architecture:
    """Return a model object's architecture; raises UsageError for one that we do not know."""
    kind = type(model).__name__
    if kind not in ARCHITECTURES or not hasattr(model, "config"):
        raise refusal("the model object", kind, getattr(model, "config", None))
    return ARCHITECTURES[kind]


def require_standard(model: Any) -> None:
    """Raise UsageError for a model with parts that transformers and torch do not have.

    Such are adapters and quantised layers.
    """
    kind = type(model).__name__
    for name, part in model.named_modules():
        if type(part).__module__.partition(".")[0] not in ("transformers", "torch"):
            raise UsageError(
                f"part {name!r} of the {kind} is a {type(part).__name__}, which is not read; merge it into "
                "the model's own weights first"
            )
    for name, weight in model.named_parameters():
        if weight.is_meta or not weight.is_floating_point():
            raise UsageError(
                f"weight {name!r} of the {kind} is {weight.dtype} on device {weight.device}; "
                "only floating-point weights in memory are read"
            )


def frozen_copy(tokenizer: Any, model: Any, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return copies of a tokenizer and its model, the model's frozen on a device and in a type."""
    with torch.no_grad():
        copied = deepcopy(model).to(device=device, dtype=dtype)
    return deepcopy(tokenizer), copied.eval().requires_grad_(False)
