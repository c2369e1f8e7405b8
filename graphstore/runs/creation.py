"""A run's folder is made complete beside its place and renamed, and is removed in the same way.

So several machines may create the same run at once: one of them wins, and nobody sees a half-made folder.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs import shards

MANIFEST = "run.json"
FOLDERS = "[!.]*"
"""A pattern of the run folders under a root: temporary ones begin with a dot."""


def make_folder(path: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Make a run's folder with its manifest and other files, unless another process made it first."""
    temporary = _beside(path)
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
            shards.sync(temporary / name)
        shards.write_json(manifest, temporary / MANIFEST)
        shards.sync(temporary)
        _move_into_place(temporary, path)
    except OSError as error:
        raise IpgraphError(f"{path} could not be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a run's folder, which is no run from the first moment on; of a link, only the link."""
    if path.is_symlink():
        path.unlink()
        return
    temporary = _beside(path)
    path.rename(temporary)
    shutil.rmtree(temporary)


def remove_leftovers(path: Path) -> None:
    """Remove what interrupted processes left beside a run's folder."""
    shards.remove_leftovers(path.parent, f".{path.name}.*.tmp")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def _move_into_place(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError:
        if not (path / MANIFEST).exists():
            raise
    else:
        shards.sync(path.parent)
