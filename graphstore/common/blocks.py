"""Rows in blocks, as stores read and write them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def blocks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block
