"""The digests that identify a model's numbers: of its files, or of a model object with its tokenizer."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

DIGESTED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""The files of a model's folder that determine its numbers beside its weights, as far as they are there."""
_ORIGIN = ("_name_or_path", "transformers_version", "dtype")
"""What a config says of where it came from."""


def digest_of_folder(folder: Path) -> str:
    """Return the digest of a folder's weights, config and tokenizer."""
    digest = sha256()
    files = [folder / name for name in DIGESTED] + sorted(folder.glob("*.safetensors"))
    for file in (f for f in files if f.exists()):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def digest_of_object(module: Any, tokenizer: Any) -> str:
    """Return the digest of a model object's weights and config, and of its fast tokenizer."""
    digest = sha256()
    config = {name: value for name, value in module.config.to_dict().items() if name not in _ORIGIN}
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    for part in (config, special, _rules(tokenizer)):
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    for name, weight in sorted(module.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        content = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(content.numpy().tobytes())
    return digest.hexdigest()


def _rules(tokenizer: Any) -> dict[str, Any]:
    """Return a fast tokenizer without what its last call left in it."""
    rules: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return rules | {"truncation": None, "padding": None}
