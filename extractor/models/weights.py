"""A model's weights, all of them from its files."""

from typing import Any

import torch

from ipgraph.extractor.models.files import first_line
from ipgraph.graphstore.common.errors import IpgraphError


def load_weights(name: str, folder: str, commit: str | None, architecture: str, dtype: torch.dtype) -> Any:
    """Load a model, frozen; raises IpgraphError where its file is damaged or lacks weights."""
    import transformers
    from safetensors import SafetensorError

    # Its progress bar over the weights would break into our own.
    transformers.utils.logging.disable_progress_bar()
    try:
        module, info = getattr(transformers, architecture).from_pretrained(
            folder,
            revision=commit,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IpgraphError(f"the weights of model {name!r} could not be read: {first_line(error)}") from error
    missing = set(info["missing_keys"])
    if lacking := sorted(missing - tie_output_bias(module, missing)):
        raise IpgraphError(
            f"model {name!r} lacks {len(lacking)} of the weights of a {architecture}, such as {lacking[0]}; "
            "they would be random: name a model that was trained as one"
        )
    return module.eval().requires_grad_(False)


def tie_output_bias(module: Any, missing: set[str]) -> set[str]:
    """Return the missing names whose weight is there under its other name, and put it to use.

    A masked language model's output bias is saved as the head's, the decoder's or both, and used as the
    decoder's.
    """
    head, decoder = "cls.predictions.bias", "cls.predictions.decoder.bias"
    if {head, decoder} & missing == {decoder}:
        module.cls.predictions.decoder.bias = module.cls.predictions.bias
        return {decoder}
    is_used = head in missing and module.cls.predictions.bias is module.cls.predictions.decoder.bias
    return set() if is_used else {head}
