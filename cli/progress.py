"""Progress of long work on stderr: a bar with rate and time left on a terminal, nothing anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipgraph.cli.render import console

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Progress


@contextmanager
def progress(what: str, unit: str) -> Iterator["Progress"]:
    """Give a callback (done, total) that draws a bar, or does nothing where stderr is no terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True) as bars:
        task = bars.add_task(what, total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = bars.tasks[0].speed
            rate = f"{speed:.3g} {unit}/s" if speed else unit
            bars.update(task, completed=done, total=total, rate=rate)

        yield report
