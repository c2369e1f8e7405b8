"""Files that are written whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which takes its place once all is written.

    What was at `path` stays as it was if writing fails.
    """
    with tempfile.TemporaryDirectory(prefix=".ipgraph-", dir=path.parent) as folder:
        partial = Path(folder, path.name)  # a writer may go by the name's suffix
        yield partial
        partial.replace(path)
