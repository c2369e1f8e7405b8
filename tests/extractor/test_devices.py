"""Tensors made on the wrong device, caught without a GPU: by the source's syntax, and on `meta`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.tiny_models import save_masked_lm

import ipgraph.extractor
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.models.registry import ARCHITECTURES
from ipgraph.extractor.tracing.batch import Batch, IntegrationPath
from ipgraph.extractor.tracing.trace import Trace

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


PATHS = [name for name, method in METHODS.items() if method.family == "paths" and name != "random"]
"""Methods that find paths; the random one reads the sentences' lengths, which `meta` does not have."""


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


CHECKED = sorted(set(ROOM.rglob("*.py")) - {Path(oracle.__file__)})
"""All files but the oracle: it computes on the CPU alone, and `check` refuses a model that is elsewhere."""


@pytest.mark.parametrize("file", CHECKED, ids=lambda file: str(file.relative_to(ROOM)))
def test_every_tensor_is_made_on_a_device_that_is_named(file: Path) -> None:
    assert list(homeless(ast.parse(file.read_text(encoding="utf-8")))) == []


def test_a_tensor_without_a_device_is_found() -> None:
    source = (
        "torch.zeros(3)\ntorch.zeros(3, device=d)\ntorch.from_numpy(x).to(d)\ntorch.from_numpy(x)\nx.zeros(3)"
    )
    assert list(homeless(ast.parse(source))) == [1, 4]


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("model"))


def meta_trace(model: Path, *, keep: bool) -> Trace:
    """Return the trace of a batch on the device `meta`, where tensors have shapes and no values."""
    module = load_model(str(model)).module.to("meta")
    adapter = ARCHITECTURES[type(module).__name__].adapter(module)

    def whole(*shape: int) -> torch.Tensor:
        return torch.zeros(*shape, dtype=torch.long, device="meta")

    batch = Batch(whole(2, 7), whole(2, 7), whole(2, 7).bool(), whole(2), whole(2, 2))
    path = IntegrationPath(torch.rand(5, device="meta"), torch.rand(5, device="meta"))
    return Trace(adapter, batch, path, torch.zeros_like(adapter.words[0]), keep=keep)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("method", PATHS)
def test_the_search_stays_on_its_device(
    masked_lm: Path, monkeypatch: pytest.MonkeyPatch, method: str, answer: bool, keep: bool
) -> None:
    with torch.no_grad(), monkeypatch.context() as patch:
        patch.setattr(
            torch.Tensor, "__bool__", lambda _: True
        )  # a tensor without values answers nothing itself
        trace = meta_trace(masked_lm, keep=keep)
        patch.setattr(torch.Tensor, "__bool__", lambda _: answer)
        words = torch.arange(7, device="meta").expand(2, -1)
        for paths in path_method(method).refine(trace, words, ["a", "b"], METHODS[method].levels):
            assert {paths.positions.device.type, paths.influence.device.type} == {"meta"}


def test_meta_refuses_mixed_arithmetic() -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(3, device="meta") + torch.ones(3)
