"""A model's weights, all of them from its files."""

import math
import re
import shlex
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.models.files import one_line, quiet
from ipgraph.graphstore.common.errors import IpgraphError

SAFE, SAFE_INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
_CONVERT = (
    "import torch; from safetensors.torch import save_file; "
    "weights = torch.load({pickled!r}, map_location='cpu', weights_only=True); "
    "save_file({{name: w.clone().contiguous() for name, w in weights.items()}}, {safe!r}, {{'format': 'pt'}})"
)


def require_safetensors(name: str, folder: str, commit: str | None) -> None:
    """Raise IpgraphError, with the command that converts them, where a model's weights are pickled only."""
    if any(_path(folder, commit, file) for file in (SAFE, SAFE_INDEX)) or not _path(folder, commit, PICKLED):
        return
    local = Path(folder) if Path(folder).is_dir() else Path(Path(name).name)
    code = _CONVERT.format(pickled=str(local / PICKLED), safe=str(local / SAFE))
    steps = [f"python -c {shlex.quote(code)}"]
    if not Path(folder).is_dir():
        steps.insert(0, f"hf download {shlex.quote(name)} --local-dir {shlex.quote(str(local))}")
    raise IpgraphError(
        f"model {name!r} has its weights in {PICKLED} only, a pickle, which could run any code; if you trust "
        f"it, convert it and use the folder {str(local)!r}: {' && '.join(steps)}"
    )


def weight_names(folder: str, commit: str | None) -> list[str]:
    """Return the names of the weights in a model's files, without reading the weights."""
    import json

    from safetensors import safe_open

    if index := _path(folder, commit, SAFE_INDEX):
        return list(json.loads(Path(index).read_text())["weight_map"])
    if file := _path(folder, commit, SAFE):
        with safe_open(file, "pt") as opened:
            return list(opened.keys())
    return []


def stored_types(folder: str) -> dict[str, int]:
    """Return how many numbers of each type, such as "F16", are in a folder's files, without reading them."""
    from safetensors import safe_open

    counts: dict[str, int] = {}
    for file in sorted(Path(folder).glob("model*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it has no other way to iterate
                part = opened.get_slice(name)
                counts[part.get_dtype()] = counts.get(part.get_dtype(), 0) + math.prod(part.get_shape())
    return counts


def _path(folder: str, commit: str | None, file: str) -> str | None:
    """Return where a model's file is, of the hub or of a folder; None where it has no such file."""
    from transformers.utils.hub import cached_file

    found: str | None = cached_file(
        folder,
        file,
        revision=commit,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return found


def load_weights(
    name: str, folder: str, commit: str | None, config: Any, architecture: str, dtype: torch.dtype
) -> Any:
    """Load a model, frozen.

    Raises IpgraphError where it cannot be built from its config, or its file is damaged, lacks weights or
    has others than the config describes.
    """
    import transformers
    from safetensors import SafetensorError

    # Attention is computed here; which implementation the file asks for makes no difference.
    config._attn_implementation = None
    try:
        with quiet():
            module, info = getattr(transformers, architecture).from_pretrained(
                folder,
                config=config,
                revision=commit,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
            )
    except (OSError, SafetensorError) as error:
        raise IpgraphError(f"the weights of model {name!r} could not be read: {one_line(error)}") from error
    except Exception as error:  # what transformers raises depends on the value that it refuses
        if _is_interrupt(error):
            raise KeyboardInterrupt from error
        reason = _unknown_value(config, error) or one_line(error)
        raise IpgraphError(
            f"model {name!r} could not be built from its config and weights: {reason}"
        ) from error
    _require_the_configs(name, architecture, module, info)
    return module.eval().requires_grad_(False)


def _is_interrupt(error: BaseException) -> bool:
    """Return whether an error is what a library that was being imported made of Ctrl-C."""
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _is_interrupt(cause))


def _unknown_value(config: Any, error: Exception) -> str:
    """Return which setting has the value that a look-up failed for; "" where none has."""
    settings = config.to_dict().items() if isinstance(error, KeyError) else ()
    named = [f"{setting} {value!r}" for setting, value in settings if value == error.args[0]]
    return f"transformers does not know {named[0]}" if named else ""


def _require_the_configs(name: str, architecture: str, module: Any, info: dict[str, Any]) -> None:
    """Raise IpgraphError where a file's weights are not those that its config describes."""
    for key, found, wanted in sorted(info["mismatched_keys"]):
        raise IpgraphError(
            f"the weights of model {name!r} do not fit its config: {key} is {_sizes(found)} in the file and "
            f"{_sizes(wanted)} by the config"
        )
    missing = set(info["missing_keys"])
    if lacking := sorted(missing - tie_output_bias(module, missing)):
        raise IpgraphError(
            f"model {name!r} lacks {len(lacking)} of the weights of a {architecture}, such as {lacking[0]}; "
            "they would be random: name a model that was trained as one"
        )
    used = {_numberless(key) for key in module.state_dict()}
    if surplus := sorted(key for key in info["unexpected_keys"] if _numberless(key) in used):
        raise IpgraphError(
            f"model {name!r} has {len(surplus)} weights of layers that its config does not have, such as "
            f"{surplus[0]}; its config is not that of its weights"
        )


def _sizes(shape: Any) -> str:
    return " x ".join(map(str, shape))


def _numberless(key: str) -> str:
    return re.sub(r"\d+", "#", key)


def tie_output_bias(module: Any, missing: set[str]) -> set[str]:
    """Return the missing names whose weight is there under its other name, and put it to use.

    A masked language model's output bias is saved as the head's, the decoder's or both, and used as the
    decoder's.
    """
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    decoder = next((name for name in names if name.endswith(".decoder.bias")), "")
    head = decoder.replace(".decoder.bias", ".bias")
    if head not in names:
        return set()
    part = module.get_submodule(head.removesuffix(".bias"))
    if {head, decoder} & missing == {decoder}:
        part.decoder.bias = part.bias
        return {decoder}
    is_used = head in missing and part.bias is part.decoder.bias
    return set() if is_used else {head}
