"""A model's computation graph: by its adapter, or by its config where it has none."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.loading import LoadedModel, Model
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape

Sizes: TypeAlias = Mapping[str, tuple[str, ...]]

LAYERS = ("num_hidden_layers", "num_layers")
HEADS = ("num_attention_heads", "num_heads")
ENCODER: Sizes = {"layers": ("encoder_layers", *LAYERS), "heads": ("encoder_attention_heads", *HEADS)}
DECODER: Sizes = {
    "layers": ("decoder_layers", "num_decoder_layers", *LAYERS),
    "heads": ("decoder_attention_heads", "num_decoder_attention_heads", *HEADS),
}
"""What configs call the sizes of an encoder-decoder's stacks, the best name first."""


def first_of(config: Any, settings: tuple[str, ...]) -> Any:
    """Return a config's value of the first of these settings that it has, None where it has none."""
    return next((getattr(config, setting) for setting in settings if hasattr(config, setting)), None)


def graph_shape(model: Model) -> GraphShape:
    """Return the computation graph of a model.

    An encoder-decoder has its encoder's layers, then by decoder layer self- and cross-attention. Raises
    UsageError for a config that does not say how many layers and heads there are.
    """
    if isinstance(model, LoadedModel):
        return adapter_shape(model.adapter)
    config = model.module.config
    if model.task != "seq2seq":
        layers, heads = _size(model, config.get_text_config(), {"layers": LAYERS, "heads": HEADS})
        return GraphShape((GraphLayer(heads, ahead=0 if model.is_causal else None),) * layers)
    layers, heads = _size(model, config, ENCODER)
    decoder_layers, decoder_heads = _size(model, config, DECODER)
    decoder = (GraphLayer(decoder_heads, ahead=0, stack=2, reads=2), GraphLayer(decoder_heads, stack=2))
    return GraphShape((GraphLayer(heads),) * layers + decoder * decoder_layers)


def adapter_shape(adapter: Adapter) -> GraphShape:
    """Return the computation graph that an adapter has: one layer per mixing step."""
    mixings = [layer.mixing for layer in adapter.layers]
    return GraphShape(tuple(GraphLayer(mixing.heads, mixing.behind, mixing.ahead) for mixing in mixings))


def _size(model: Model, config: Any, settings: Sizes) -> tuple[int, int]:
    """Return how many layers and heads a config has."""
    layers, heads = (first_of(config, settings[name]) for name in ("layers", "heads"))
    if not (isinstance(layers, int) and isinstance(heads, int)):
        raise UsageError(
            f"the config of model {model.name!r} does not say how many layers and heads it has, as one "
            "number each; methods of attention are not defined for it here"
        )
    return layers, heads
