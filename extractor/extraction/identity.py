"""What identifies a run, what is recorded beside it, and the fields of its record."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.extraction.options import ALGORITHM_VERSION, Options
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.files import DEMOS
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.shapes import graph_shape
from ipgraph.graphstore.common.text import shown_address


def settings(model: Model, options: Options, sentences: Sequence[Encoded]) -> dict[str, object]:
    """Return everything that determines a run's numbers: what its id hashes."""
    content = sha256()
    for sentence in sentences:
        read = (sentence.ids, sentence.types, sentence.roles, sentence.target, sentence.qoi_logits)
        content.update(f"{sentence.instance.id} {json.dumps(read)}\n".encode())
    return {
        "algorithm_version": ALGORITHM_VERSION,
        "model": model.digest,
        "dtype": str(model.dtype).removeprefix("torch."),
        "instances": content.hexdigest(),
        **options.hashed(model),
    }


def fields(model: Model, options: Options, dataset: str) -> dict[str, Any]:
    """Return the fields of the run's record that are known before the first shard."""
    shape = graph_shape(model)
    return {
        "model": model.key,
        "model_name": _shown(model.name),
        "task": model.task,
        "dataset": dataset,
        "dtype": str(model.dtype).removeprefix("torch."),
        "layers": len(shape.layers),
        "heads": max(layer.heads for layer in shape.layers),
        "classes": list(model.classes),
        "label": "",
        "graph": shape.to_json(),
        **options.recorded(),
    }


def _shown(name: str) -> str:
    """Return a model's name as it is shown: of a folder its last part, never where it lies."""
    return Path(name).resolve().name if name not in DEMOS and Path(name).is_dir() else name


def environment(model: Model, batch_size: int | None) -> dict[str, object]:
    """Return what is recorded of a shard but does not identify its run: the machine and its software."""
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else platform.processor()
    return {
        "versions": {name: version(name) for name in ("ipgraph", "torch", "transformers", "numpy")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{model.device.type} {device}".strip(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "batch_size": batch_size or "auto",
        "commit": _commit(),
    }


def request_environment(model: Model, batch_size: int | None, seed: int) -> dict[str, object]:
    """Return what is recorded of a request but does not identify its run."""
    command = " ".join([Path(sys.argv[0]).name, *map(shown_address, sys.argv[1:])])
    return environment(model, batch_size) | {
        "seed": seed,
        "command": command,
    }


@cache
def _commit() -> str:
    """Return the git commit of the package's source, "" where it is installed rather than checked out."""
    git, root = shutil.which("git"), Path(__file__).parents[2]
    if git is None or not (root / ".git").exists():
        return ""
    command = [git, "-C", str(root), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
