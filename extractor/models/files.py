"""A model's files: where they are, its config and its tokenizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from ipgraph.extractor.datasets import Task
from ipgraph.graphstore.common.errors import IpgraphError, UsageError, nearest_first

DEMOS = {
    "demo": "agreement",
    "demo-sentiment": "sentiment",
    "demo-gpt2": "gpt2",
    "demo-modernbert": "modernbert",
}
"""The models that come with the package, and their folders in `demo`."""
COMMIT_LENGTH = 40
"""Characters of a hub model's digest, its commit; a folder's digest is longer."""
_LONGEST = 300
"""Characters of a library's message that ours repeats."""


def folder_of(name: str) -> str:
    """Return the folder of a demo model; any other name as it is."""
    return str(Path(__file__).parents[1] / "demo" / DEMOS[name]) if name in DEMOS else name


def named(name: str | Path) -> str:
    """Return a model's name as given, of a folder such as `.` or `..` as the path that it stands for."""
    path = Path(name)
    return str(path.resolve()) if path.name in ("", "..") else str(path)


def commit_of(name: str, revision: str | None) -> str:
    """Return the commit that a branch or tag of a hub model stands for now, so that all files are of one."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    _require_hub_name(name)
    try:
        with quiet():
            file = cached_file(name, "config.json", revision=revision)
        commit: str | None = extract_commit_hash(file, None)
    except (OSError, ValueError) as error:
        raise unknown_model(name, error) from error
    if commit is None:
        raise IpgraphError(f"the Hugging Face hub does not say which commit of model {name!r} it gave")
    return commit


def _require_hub_name(name: str) -> None:
    """Raise UsageError for what can only be a path, and leads to no folder."""
    path = Path(name)
    if path.is_file():
        raise UsageError(f"model {name!r} is a file; name the folder that it is in, with config.json")
    if path.is_absolute() or len(path.parts) > 2 or path.parts[0] in (".", ".."):
        beside = [str(other) for other in path.parent.glob("*/") if (other / "config.json").exists()]
        near = f"; beside it are {', '.join(nearest_first(name, beside)[:3])}" if beside else ""
        raise UsageError(f"there is no model folder {name!r}{near}")


def read_config(name: str, folder: str, commit: str | None) -> Any:
    """Return a model's config; of a family that transformers does not know, its bare settings.

    Raises IpgraphError where it could not be read.
    """
    from transformers import AutoConfig, PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if Path(folder).is_dir() and not (Path(folder) / "config.json").exists():
        raise UsageError(f"{folder} is not a Hugging Face model folder: it has no config.json")
    with _reading("config", name, folder):
        settings, _ = PreTrainedConfig.get_config_dict(folder, revision=commit)
        if settings.get("model_type", "") not in ("", *CONFIG_MAPPING):
            return PreTrainedConfig.from_dict(settings)
        return AutoConfig.from_pretrained(folder, revision=commit, trust_remote_code=False)


def read_tokenizer(name: str, folder: str, commit: str | None) -> Any:
    """Return a model's tokenizer; raises IpgraphError where it could not be read."""
    from transformers import AutoTokenizer

    with _reading("tokenizer", name, folder):
        return AutoTokenizer.from_pretrained(folder, revision=commit, trust_remote_code=False)


@contextmanager
def _reading(what: str, name: str, folder: str) -> Iterator[None]:
    try:
        with quiet():
            yield
    except Exception as error:  # tokenizers raise nothing more special for a file that they cannot read
        if Path(folder).is_dir():
            raise IpgraphError(
                f"the {what} of model {name!r} could not be read: {one_line(error)}"
            ) from error
        raise unknown_model(name, error) from error


def require_tokenizer(name: str, tokenizer: Any, task: Task) -> None:
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
    if task == "masked-lm":
        require_tokens(name, tokenizer, "mask")


def require_tokens(name: str, tokenizer: Any, *tokens: str) -> None:
    """Raise UsageError for a tokenizer that lacks a special token, such as "cls"."""
    if lacking := [token for token in tokens if getattr(tokenizer, f"{token}_token_id") is None]:
        raise UsageError(f"the tokenizer of model {name!r} has no {lacking[0]} token")


def unknown_model(name: str, error: Exception) -> UsageError:
    """Return the error for a name that is not a demo model's, a folder's or a hub model's."""
    return UsageError(
        f"model {name!r} is not a demo model ({', '.join(nearest_first(name, DEMOS))}) or a folder with a "
        f"model, and could not be read from the Hugging Face hub: {one_line(error)}"
    )


def one_line(error: Exception) -> str:
    """Return an error's message as one line, cut where it is long, with its kind where it is a bare word."""
    message = " ".join(str(error).split())
    if " " not in message:
        message = f"{type(error).__name__} {message}".strip()
    return message if len(message) <= _LONGEST else message[:_LONGEST] + "..."


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting on its own: what matters of it becomes an error of ours."""
    from transformers.utils import logging

    verbosity, hub = logging.get_verbosity(), getLogger("huggingface_hub")
    logging.set_verbosity_error()
    hub_level = hub.level
    hub.setLevel(ERROR)
    # Its progress bar over the weights would break into our own.
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        hub.setLevel(hub_level)
