"""Progress of long work on stderr: a bar with its rate and the time left on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipgraph.cli.render import console

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Progress, Store


@contextmanager
def progress(what: str, unit: str, *, before: str = "") -> Iterator["Progress"]:
    """Give a callback (done, total) that draws a bar, or does nothing if stderr is not a terminal.

    Until it is called, the bar says what goes on `before`.
    """
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
        task = bars.add_task(before or what, total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = bars.tasks[0].speed
            rate = f"{speed:.3g} {unit}/s" if speed else unit
            bars.update(task, description=what, completed=done, total=total, rate=rate)

        yield report


@contextmanager
def working_store(store: str | None, what: str) -> Iterator[tuple["Store", "Progress"]]:
    """Open a store for work over its patterns; give it with the callback of a progress bar."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened, progress(what, "patterns") as bar:
        yield opened, bar
