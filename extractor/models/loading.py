"""Hugging Face models, loaded frozen and in a stated type, with the digest that identifies their numbers."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.registry import Architecture, known
from ipgraph.graphstore.common.errors import IpgraphError, UsageError, nearest_first, unknown

DEMOS = {"demo": "agreement", "demo-sentiment": "sentiment"}
"""The models that come with the package, and their folders in `demo`."""
COMMIT_LENGTH = 40
"""Characters of a hub model's digest, its commit; a folder's digest is longer."""
DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("auto", "cpu", "cuda")
DIGESTED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""The files of a model's folder that determine its numbers beside its weights, as far as they are there."""
ADAPTERS = known()
"""The architectures we know, by class name in transformers."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be traced."""

    name: str  # as the user gave it
    key: str  # in node ids: the name's last part and the start of the digest
    digest: str  # of weights, config and tokenizer, or the hub's commit
    task: Task
    classes: int  # 0 for a masked language model
    tokenizer: Any
    adapter: Adapter
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself


def load_model(
    name: str | Path, *, revision: str | None = None, device: str = "auto", dtype: str = "float32"
) -> LoadedModel:
    """Load a demo model by name, a local folder, or a model of the Hugging Face hub (safetensors only).

    Raises UsageError where the name, device, type or architecture is not one that serves.
    """
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    where = _device(device)
    folder = _folder(str(name))
    is_local = Path(folder).is_dir()
    if is_local and revision is not None:
        raise UsageError(
            f"revision {revision!r} is of a hub model, and {str(name)!r} is not one; leave it out"
        )
    commit = None if is_local else _commit(str(name), revision)
    config, tokenizer = _config(str(name), folder, commit)
    task, make_adapter = _architecture(str(name), config)
    _require_tokenizer(str(name), tokenizer, task)
    module = _weights(str(name), folder, commit, config.architectures[0], dtype).to(where)
    digest = commit or _digest(Path(folder))
    return LoadedModel(
        name=str(name),
        key=f"{Path(name).name}-{digest[:8]}",
        digest=digest,
        task=task,
        classes=config.num_labels if task == "classifier" else 0,
        tokenizer=tokenizer,
        adapter=make_adapter(module),
        device=where,
        dtype=DTYPES[dtype],
        module=module,
    )


def _folder(name: str) -> str:
    return str(Path(__file__).parents[1] / "demo" / DEMOS[name]) if name in DEMOS else name


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


def _commit(name: str, revision: str | None) -> str:
    """Return the commit that a branch or tag of a hub model stands for now, so that all files are of one."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        commit: str | None = extract_commit_hash(cached_file(name, "config.json", revision=revision), None)
    except (OSError, ValueError) as error:
        raise _not_to_be_had(name, error) from error
    if commit is None:
        raise IpgraphError(f"the Hugging Face hub does not say which commit of model {name!r} it gave")
    return commit


def _config(name: str, folder: str, commit: str | None) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer

    if Path(folder).is_dir() and not (Path(folder) / "config.json").exists():
        raise UsageError(f"{folder} is not a Hugging Face model folder: it has no config.json")
    try:
        config = AutoConfig.from_pretrained(folder, revision=commit, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, revision=commit, trust_remote_code=False)
    except Exception as error:  # tokenizers raise nothing more special for a file that they cannot read
        if Path(folder).is_dir():
            raise IpgraphError(
                f"config or tokenizer of model {name!r} could not be read: {_first_line(error)}"
            ) from error
        raise _not_to_be_had(name, error) from error
    return config, tokenizer


def _require_tokenizer(name: str, tokenizer: Any, task: Task) -> None:
    """Raise UsageError for a tokenizer that does not say which word a piece is of, or lacks a token."""
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UsageError(
            f"the tokenizer of model {name!r} has no vocabulary; its files must be beside the model's"
        )
    if not tokenizer.is_fast:
        raise UsageError(
            f"the tokenizer of model {name!r} ({type(tokenizer).__name__}) does not say which word a piece "
            "is of; a fast one (tokenizer.json) is needed"
        )
    needed = ("cls", "sep", "mask") if task == "masked-lm" else ("cls", "sep")
    if lacking := [token for token in needed if getattr(tokenizer, f"{token}_token_id") is None]:
        raise UsageError(f"the tokenizer of model {name!r} has no {lacking[0]} token")


def _not_to_be_had(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"model {name!r} is none of the demo models ({', '.join(nearest_first(name, DEMOS))}), no folder "
        f"with a model, and could not be had from the Hugging Face hub: {_first_line(error)}"
    )


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


def _weights(name: str, folder: str, commit: str | None, architecture: str, dtype: str) -> Any:
    """Load a model; raises IpgraphError where its file is damaged or lacks weights, which would be random."""
    import transformers
    from safetensors import SafetensorError

    # Its progress bar over the weights would break into our own.
    transformers.utils.logging.disable_progress_bar()
    try:
        module, found = getattr(transformers, architecture).from_pretrained(
            folder,
            revision=commit,
            dtype=DTYPES[dtype],
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IpgraphError(
            f"the weights of model {name!r} could not be read: {_first_line(error)}"
        ) from error
    missing = set(found["missing_keys"])
    if lacking := sorted(missing - _one_bias(module, missing)):
        raise IpgraphError(
            f"model {name!r} lacks {len(lacking)} of the weights of a {architecture}, such as {lacking[0]}; "
            "they would be random: name a model that was trained as one"
        )
    return module.eval().requires_grad_(False)


def _one_bias(module: Any, missing: set[str]) -> set[str]:
    """Return the missing names whose weight is there under its other name, and put it to use.

    A masked language model's output bias is saved as the head's, the decoder's or both, and used as the
    decoder's.
    """
    head, decoder = "cls.predictions.bias", "cls.predictions.decoder.bias"
    if {head, decoder} & missing == {decoder}:
        module.cls.predictions.decoder.bias = module.cls.predictions.bias
        return {decoder}
    is_used = head in missing and module.cls.predictions.bias is module.cls.predictions.decoder.bias
    return set() if is_used else {head}


def _digest(folder: Path) -> str:
    digest = sha256()
    files = [folder / name for name in DIGESTED] + sorted(folder.glob("*.safetensors"))
    for file in (f for f in files if f.exists()):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
