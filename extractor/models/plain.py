"""Models as transformers gives them, without an adapter: what methods of attention need, of any family."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.models.digests import digest_of_folder
from ipgraph.extractor.models.files import named, read_config, read_tokenizer
from ipgraph.extractor.models.loading import DTYPES, locate, require_options
from ipgraph.extractor.models.weights import load_weights, require_safetensors
from ipgraph.graphstore.common.errors import UsageError


@dataclass(frozen=True)
class PlainModel:
    """A frozen model of transformers."""

    name: str  # as the user gave it
    digest: str  # of weights, config and tokenizer, or the hub's commit
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself


def class_of_config(name: str, config: Any) -> str:
    """Return the class of transformers that a model's config names first, `AutoModel` where it names none.

    Raises UsageError for a class that transformers does not have.
    """
    import transformers

    architecture = str((config.architectures or ["AutoModel"])[0])
    if not hasattr(transformers, architecture):
        raise UsageError(f"model {name!r} is of the class {architecture}, which transformers does not have")
    return architecture


def load_plain(
    name: str | Path,
    *,
    choose: Callable[[str, Any], str] = class_of_config,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> PlainModel:
    """Load any model of transformers from a folder or the hub (safetensors only).

    `choose` returns the class for a name and a config, or refuses. Attention is computed so that it can be
    returned (`eager`). Raises UsageError for options that are not ones, IpgraphError where its files could
    not be read.
    """
    place, name = require_options(None, device, dtype), named(name)
    folder, commit = locate(name, revision)
    config = read_config(name, folder, commit)
    architecture = choose(name, config)
    require_safetensors(name, folder, commit)
    module = load_weights(name, folder, commit, config, architecture, DTYPES[dtype]).to(place)
    module.set_attn_implementation("eager")
    digest = commit or digest_of_folder(Path(folder))
    return PlainModel(name, digest, read_tokenizer(name, folder, commit), place, DTYPES[dtype], module)
