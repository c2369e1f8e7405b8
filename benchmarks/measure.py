"""What every benchmark shares: medians, the machine it ran on, and a Markdown table of the result."""

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

REPEATS = 5


def median_seconds(work: Callable[[], object]) -> float:
    """Return the median wall-clock seconds of a few calls, after one that warms up."""
    return medians_in_turn(work)[0]


def medians_in_turn(*works: Callable[[], object]) -> list[float]:
    """Return the median seconds of pieces of work, called in turn so that all meet the same machine."""
    for work in works:
        work()
    rounds = [[_seconds(work) for work in works] for _ in range(REPEATS)]
    return [statistics.median(found) for found in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def machine() -> str:
    """Return processor, cores, memory and system, as one line."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def print_table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows of (what, measured, target) as a Markdown table under a title and the machine."""
    print(f"## {title}\n\n{machine()}\n\n| what | measured | target |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()
