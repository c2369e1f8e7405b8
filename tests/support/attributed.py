"""Synthetic runs of methods that score tokens: attributions, head views and layer matrices, without patterns.

Every third sentence of a condition has a role that the others lack, so that not all are of one structure.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape
from ipgraph.graphstore.schema.records import Attribution, Instance, LayerMatrix, Prediction, View
from support.fixtures import CONDITIONS, HEADS, LAYERS, MODEL, MODEL_NAME

ENCODER = GraphShape.uniform(LAYERS, HEADS)
ENCODER_DECODER = GraphShape(
    (
        *(GraphLayer(HEADS),) * 2,
        *(GraphLayer(HEADS, ahead=0, stack=2, reads=2), GraphLayer(HEADS, stack=2, reads=1)) * 2,
    )
)
SOURCE = 4
"""Tokens that an encoder-decoder's encoder reads; the rest are its decoder's."""
WORDS = ("the", "old", "author", "likes", "her", "books", ".")


def make_attributed(
    root: Path,
    *,
    seed: int = 0,
    instances: int = 24,
    method: str = "hta",
    model: str = MODEL,
    shape: GraphShape = ENCODER,
    dataset: str = "words",
    shard_instances: int = 10,
    finish: bool = True,
) -> RunDirectory:
    """Write a run directory of sentences of 6 or 7 tokens, whose numbers `seed` changes."""
    settings: dict[str, Any] = {"model": model, "method": method, "seed": seed, "dataset": dataset}
    settings["instances"] = instances
    shards = -(-instances // shard_instances)
    fields = _fields(method, model, dataset, shape)
    run = RunDirectory.create(root, settings, fields=fields, environment={}, shards=shards)
    random = Random(run.id)  # noqa: S311
    for index in range(shards):
        numbers = range(index * shard_instances, min(instances, (index + 1) * shard_instances))
        shard = Shard(further={"attributions": [], "views": [], "matrices": []})
        for number in numbers:
            _add(shard, run, shape, dataset, number, random)
        if finish or index < shards - 1:
            run.write_shard(index, shard)
    if finish:
        run.finish()
    return run


def _add(
    shard: Shard, run: RunDirectory, shape: GraphShape, dataset: str, number: int, random: Random
) -> None:
    instance = _instance(dataset, number)
    tokens = list(WORDS[: 7 - (number // len(CONDITIONS) % 3 == 2)])
    method = str(run.manifest["run"]["method"])
    shard.instances.append(instance)
    shard.predictions.append(_prediction(run.id, instance.id, tokens, random))
    cuts = [random.randrange(len(shape.layers) + 1) for _ in tokens] if method == "flow" else []
    scores = [random.gauss(0, 1) for _ in tokens]
    mixing = [random.random() for _ in shape.layers] if method == "hta" else []
    shard.further["attributions"].append(Attribution(run.id, instance.id, method, scores, cuts, mixing))
    if method == "hta":
        heads = sum(layer.heads for layer in shape.layers)
        lists = ([random.random() for _ in range(each * heads)] for each in (1, 1, 5, 5))
        shard.further["views"].append(View(run.id, instance.id, *lists))
    shard.further["matrices"] += _matrices(run.id, instance.id, shape, len(tokens), random)


def _matrices(
    run: str, instance: str, shape: GraphShape, tokens: int, random: Random
) -> Iterator[LayerMatrix]:
    """Yield matrices with a zero in a quarter of the entries, at the same places in every sentence."""
    sizes = {"self": (len(shape.layers), tokens, tokens)}
    if shape.stacks > 1:
        own, layers = tokens - SOURCE, len(shape.layers) // 3
        sizes = {"encoder": (layers, SOURCE, SOURCE), "self": (layers, own, own)}
        sizes["cross"] = (layers, own, SOURCE)
    for name, size in sizes.items():
        values = [random.random() * (k % 4 > 0) for k in range(size[0] * size[1] * size[2])]
        yield LayerMatrix(run, instance, name, *size, values)


def _instance(dataset: str, number: int) -> Instance:
    key, condition = f"{dataset}:{number:012d}", CONDITIONS[number % len(CONDITIONS)]
    text = f"text {number}"
    return Instance(key, dataset, f"{number}", "toy", condition, text, "", "", "are", "is", -1, "")


def _prediction(run: str, instance: str, tokens: list[str], random: Random) -> Prediction:
    qoi = random.gauss(0, 1)
    return Prediction(
        run=run,
        instance=instance,
        qoi=qoi,
        qoi_baseline=None,
        is_correct=qoi > 0,
        completeness_error=None,
        points=0,
        is_settled=None,
        target=len(tokens) - 1,
        label=-1,
        label_is_predicted=False,
        toward="are",
        against="is",
        tokens=tokens,
        words=tokens,
        word_indices=list(range(len(tokens))),
        roles=["subject" if word == "author" else "other" for word in tokens],
    )


def _fields(method: str, model: str, dataset: str, shape: GraphShape) -> dict[str, Any]:
    return {
        "model": model,
        "model_name": MODEL_NAME,
        "task": "seq2seq" if shape.stacks > 1 else "masked-lm",
        "dataset": dataset,
        "method": method,
        "level": "",
        "qoi": "correct-wrong",
        "baseline": "",
        "move_first": False,
        "n_steps": 0,
        "quadrature": "",
        "tolerance": None,
        "at": "",
        "position_correction": "none" if method == "flow" else "",
        "position_decay": 0.0,
        "label": "",
        "classes": [],
        "dtype": "float64",
        "layers": len(shape.layers),
        "heads": HEADS,
        "graph": shape.to_json(),
    }
