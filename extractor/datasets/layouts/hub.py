"""Datasets of the Hugging Face hub, through the package `datasets`: `hub:OWNER/NAME[/CONFIG][@SPLIT]`."""

import re
from typing import Any

from ipgraph.graphstore.common.errors import IpgraphError, UsageError, lacking

PREFIX = "hub:"
FORM = "hub:OWNER/NAME[/CONFIG][@SPLIT]"
_FORM = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(/(?P<config>[\w.+-]+))?(@(?P<split>[\w\[\]:%+.-]+))?")


def hub_dataset(address: str) -> tuple[str, Any]:
    """Return the name and the `datasets.Dataset` of an address, downloaded unless it is in the cache.

    Raises UsageError for another form, a dataset, config or split that is not there, and one of several
    splits without `@SPLIT`; IpgraphError where `datasets` is not installed.
    """
    match = _FORM.fullmatch(address.removeprefix(PREFIX))
    if match is None:
        raise UsageError(f"{address!r} does not have the form {FORM}")
    name, config, split = match["name"], match["config"], match["split"]
    data = _loaded(address, name, config, split)
    if isinstance(data, dict):
        if len(data) > 1:
            splits = ", ".join(f"{address}@{found}" for found in data)
            raise UsageError(f"{address} has several splits; give one of {splits}")
        split, data = next(iter(data.items()))
    parts = [name.rpartition("/")[2], config, split]
    return "-".join(re.sub(r"[^\w.]+", "-", part) for part in parts if part), data


def _loaded(address: str, name: str, config: str | None, split: str | None) -> Any:
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise lacking("a dataset of the hub needs the package datasets", "datasets") from error
    try:
        return load_dataset(name, config, split=split)
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        detail = " ".join(str(error).split())
        raise UsageError(f"{address} could not be loaded: {detail}") from error
    except ImportError as error:  # a reader that datasets lacks, such as one for images
        raise IpgraphError(f"{address} needs another package: {error}") from error
