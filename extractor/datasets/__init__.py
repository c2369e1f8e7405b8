"""Datasets as examples with roles, from built-in grammars or files. Imports no torch."""

from ipgraph.extractor.datasets.example import (
    MASK,
    Dataset,
    DatasetInfo,
    Example,
    Skipped,
    Task,
    instance_id,
    make_instance,
)
from ipgraph.extractor.datasets.files import read_sentence
from ipgraph.extractor.datasets.registry import infos, load, names, subset

__all__ = [
    "MASK",
    "Dataset",
    "DatasetInfo",
    "Example",
    "Skipped",
    "Task",
    "infos",
    "instance_id",
    "load",
    "make_instance",
    "names",
    "read_sentence",
    "subset",
]
