"""How a model's layers are built, in words, as its adapter's blocks say it."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import LayerNorm, RMSNorm
from ipgraph.extractor.models.composites import Chain

NORMS = (LayerNorm, RMSNorm)


def norms_of(adapter: Adapter) -> str:
    """Return which norms the layers have and where, such as "LayerNorm after each residual"."""
    kinds = {
        type(block).__name__: None for layer in adapter.layers for block in _inside(layer) if _is_norm(block)
    }
    places = {place: None for layer in adapter.layers for place in _places(layer)}
    return f"{' and '.join(kinds)} {', '.join(places)}" if kinds else "none"


def _places(layer: Layer) -> Iterator[str]:
    first, *others = _chained(layer.before)
    if _is_norm(first):
        yield "before each branch"
    if any(map(_has_norm, others)):
        yield "of queries and keys"
    if _has_norm(layer.out):
        yield "after each branch"
    if any(map(_is_norm, _chained(layer.after))):
        yield "after each residual"


def _chained(block: object) -> Sequence[object]:
    return block.blocks if isinstance(block, Chain) else (block,)


def _has_norm(block: object) -> bool:
    return any(map(_is_norm, _inside(block)))


def _is_norm(block: object) -> bool:
    return isinstance(block, NORMS)


def _inside(block: object) -> Iterator[object]:
    """Yield a block and all that it is made of."""
    yield block
    if isinstance(block, tuple):
        parts = block
    elif is_dataclass(block):
        parts = tuple(getattr(block, field.name) for field in fields(block))
    else:
        parts = ()
    for part in parts:
        yield from _inside(part)


def sight_of(adapter: Adapter) -> str:
    """Return which positions a position sees, layer by layer where they differ."""
    layers: dict[str, list[str]] = {}
    for number, layer in enumerate(adapter.layers, 1):
        layers.setdefault(_sees(layer.mixing), []).append(str(number))
    if len(layers) == 1:
        return next(iter(layers))
    return "; ".join(f"{sees} in layers {' '.join(numbers)}" for sees, numbers in layers.items())


def _sees(mixing: Mixing) -> str:
    if (mixing.behind, mixing.ahead) == (None, None):
        return "all positions"
    before = "all before it" if mixing.behind is None else f"{mixing.behind} before it"
    after = {None: ", all after it", 0: ""}.get(mixing.ahead, f", {mixing.ahead} after it")
    return f"itself, {before}{after}"
