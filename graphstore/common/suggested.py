"""Commands that messages suggest: quoted for a shell, with the store that they are about."""

import os
import shlex
from pathlib import Path

DEFAULT_STORE = "./ipgraph.db"


def default_location() -> str:
    """Return where the store is if nothing is said."""
    return os.environ.get("IPGRAPH_STORE") or DEFAULT_STORE


def suggested(command: str, *arguments: str, store: str | Path | None = None) -> str:
    """Return a command of ours to suggest; it names the store unless that is the default one."""
    is_default = store is None or Path(store) == Path(default_location())
    place = () if is_default else ("--store", str(store))
    return f"ipgraph {command} {shlex.join([*arguments, *place])}".rstrip()
