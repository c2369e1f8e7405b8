"""Tensors made on the wrong device, caught without a GPU: by the source's syntax, and on `meta`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import ipgraph.extractor

ROOM = Path(ipgraph.extractor.__path__[0])
FACTORIES = {
    *(
        "arange",
        "as_tensor",
        "empty",
        "eye",
        "full",
        "linspace",
        "logspace",
        "normal",
        "ones",
        "rand",
        "randint",
    ),
    *("randn", "randperm", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "from_numpy"),
}
"""Functions of torch that make a tensor on the CPU unless they are told where; `*_like` and `new_*` know."""


def homeless(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of factory calls that name no device, and are not moved to one at once."""
    moved = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "to" and isinstance(node.value, ast.Call)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "torch"
            and node.func.attr in FACTORIES
            and "device" not in {keyword.arg for keyword in node.keywords}
            and not (node.func.attr == "from_numpy" and id(node) in moved)
        ):
            yield node.lineno


@pytest.mark.parametrize("file", sorted(ROOM.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOM)))
def test_every_tensor_is_made_on_a_device_that_is_named(file: Path) -> None:
    assert list(homeless(ast.parse(file.read_text(encoding="utf-8")))) == []


def test_a_tensor_without_a_device_is_found() -> None:
    source = (
        "torch.zeros(3)\ntorch.zeros(3, device=d)\ntorch.from_numpy(x).to(d)\ntorch.from_numpy(x)\nx.zeros(3)"
    )
    assert list(homeless(ast.parse(source))) == [1, 4]


def test_meta_refuses_mixed_arithmetic() -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(3, device="meta") + torch.ones(3)
