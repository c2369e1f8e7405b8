"""Datasets: built-in template grammars and files, all as examples with roles. Imports no torch."""

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

__all__ = ["MASK", "Dataset", "DatasetInfo", "Example", "Skipped", "Task", "instance_id", "make_instance"]
