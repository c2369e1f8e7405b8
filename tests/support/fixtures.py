"""Synthetic finished run directories, deterministic and without torch: what stores and queries are tested on.

The numbers are random, but all that the schema promises holds: paths run along the computation graph to the
target, attention patterns refine embedding patterns, forced steps repeat the influence before, margins are
null where there was one candidate, the words' total influences and the completeness error add up to the QoI.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.labels import (
    LABEL_WIDTH,
    node_id,
    node_label,
    parse_label,
    pattern_id,
    role_label,
    target_label,
)
from ipgraph.graphstore.schema.records import Attribution, Instance, Level, Measure, Pattern, Prediction, Step

MODEL, MODEL_NAME = "toy-0123456789ab", "toy"
LAYERS, HEADS = 3, 4
MEMORY = {"buffer_pool_size": 1 << 28, "max_db_size": 1 << 30}
"""What a test opens an embedded store's file with."""
CONDITIONS = ("singular-singular", "singular-plural", "plural-singular", "plural-plural")
SUBTASKS = ("object-relative-across", "object-relative-within")
NOUNS = ("author", "pilot", "farmer", "dancer", "skater", "officer", "manager", "teacher", "senator", "clerk")
VERBS = ("likes", "admires", "hates", "loves", "knows")


def make_run(
    root: Path,
    *,
    scale: int = 1,
    seed: int = 0,
    dataset: str = "sva-obj",
    model: str = MODEL,
    method: str = "gpr",
    level: str = "both",
    qoi: str = "correct-wrong",
    layers: int = LAYERS,
    heads: int = HEADS,
    shard_instances: int = 10,
    shape: GraphShape | None = None,
    finish: bool = True,
) -> RunDirectory:
    """Write a run directory of 24 x `scale` instances (456 patterns and 2,508 steps at scale 1).

    `seed` changes the numbers and the run's id, not the instances; `dataset` changes the instances' ids, and
    a larger `scale` adds instances to a smaller one's; `shape` is the model's computation graph, along which
    patterns of embeddings 1 to `layers` need not run. Unless `finish`, the last shard is left out.
    """
    examples = list(_examples(dataset, 24 * scale))
    settings = {
        "model": model,
        "dataset": dataset,
        "method": method,
        "level": level,
        "seed": seed,
        "scale": scale,
    }
    shards = -(-len(examples) // shard_instances)
    fields = {
        "model": model,
        "model_name": model.rpartition("-")[0],
        "task": "masked-lm",
        "dataset": dataset,
        "method": method,
        "level": level,
        "qoi": qoi,
        "baseline": "mask",
        "move_first": True,
        "n_steps": 50,
        "quadrature": "uniform",
        "tolerance": None,
        "at": "word" if method == "gpr" else "",
        "position_correction": "",
        "position_decay": 0.0,
        "label": "",
        "classes": [],
        "dtype": "float64",
        "layers": layers,
        "heads": heads,
        "graph": (shape or GraphShape.uniform(layers, heads)).to_json(),
    }
    run = RunDirectory.create(
        root,
        settings,
        fields=fields,
        environment={"device": "cpu", "seed": 0},
        shards=shards,
        skipped=[{"where": "toy.jsonl:7", "reason": "no [MASK]"}],
    )
    random = Random(run.id)  # noqa: S311
    for index in range(shards):
        part = examples[index * shard_instances : (index + 1) * shard_instances]
        shard = _Writer(run.id, model, layers, heads, method, level, random).shard(part)
        if finish or index < shards - 1:
            run.write_shard(index, shard, {"device": "cpu", "threads": 1 + index % 2})
    if finish:
        run.finish(seconds=1.5)
    return run


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow past `size` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def make_measures(run: RunDirectory, count: int = 3) -> list[Measure]:
    """Return some measures of a run, with an interval around each value."""
    return [
        Measure(
            id=f"{run.id}/accuracy/{k}",
            runs=[run.id],
            metric="accuracy",
            method="gpr",
            level="attention",
            grouping="",
            target="kept",
            size="",
            counting="",
            k=k + 1,
            search="",
            beam=0,
            draws=0,
            resamples=1000,
            position=-1,
            word="",
            value=0.5 + k / 10,
            low=0.4 + k / 10,
            high=0.6 + k / 10,
            count=24,
            seed=0,
            note="synthetic",
        )
        for k in range(count)
    ]


def _examples(dataset: str, count: int) -> Iterator[tuple[Instance, list[str]]]:
    random = Random(dataset)  # noqa: S311
    seen: set[str] = set()
    while len(seen) < count:
        condition, subtask = CONDITIONS[len(seen) % 4], SUBTASKS[len(seen) // 4 % 2]
        subject, attractor = random.sample(NOUNS, 2)
        first, second = (number == "plural" for number in condition.split("-"))
        words = [("the", "det"), (subject + "s" * first, "subject")]
        words += [("that", "relativizer")] if subtask == SUBTASKS[0] else []
        words += [("the", "det"), (attractor + "s" * second, "attractor"), (random.choice(VERBS), "other")]
        words += [
            ("[MASK]", "target"),
            (random.choice(("tall", "old", "short", "young", "new")), "other"),
            (".", "punct"),
        ]
        text = " ".join(word for word, _ in words)
        key = f"{dataset}:{sha256(f'{text}|{condition}|{subtask}'.encode()).hexdigest()[:12]}"
        if key not in seen:
            name = f"{dataset}-{len(seen)}"
            seen.add(key)
            right, wrong = ("are", "is") if first else ("is", "are")
            instance = Instance(key, dataset, name, subtask, condition, text, "", "", right, wrong, -1, "")
            yield instance, [role for _, role in words]


class _Writer:
    """Draws the records of a shard's instances."""

    def __init__(
        self, run: str, model: str, layers: int, heads: int, method: str, level: str, random: Random
    ) -> None:
        self.run, self.model, self.layers, self.heads, self.method = run, model, layers, heads, method
        self.levels: list[Level] = [name for name in ("embedding", "attention") if level in (name, "both")]
        self.random = random

    def shard(self, examples: list[tuple[Instance, list[str]]]) -> Shard:
        shard = Shard()
        for instance, roles in examples:
            shard.instances.append(instance)
            prediction = self.prediction(instance, roles)
            shard.predictions.append(prediction)
            scores = [0.0] * len(prediction.tokens)
            for position in range(len(prediction.tokens)):
                if position != prediction.target:
                    scores[position] = self.word(shard, prediction, position)
            if self.method == "gpr":
                method = "integrated_gradients"
                attribution = Attribution(self.run, instance.id, method, scores, [], [])
                shard.further.setdefault("attributions", []).append(attribution)
            total = sum(scores)
            error = self.random.gauss(0, 0.01)
            qoi = total - error + (prediction.qoi_baseline or 0.0)
            shard.predictions[-1] = replace(prediction, qoi=qoi, is_correct=qoi > 0, completeness_error=error)
        return shard

    def prediction(self, instance: Instance, roles: list[str]) -> Prediction:
        words = instance.text.split()
        tokens = ["[CLS]", *words, "[SEP]"]
        indices = [-1, *range(len(words)), -1]
        target = tokens.index("[MASK]")
        baseline = self.random.gauss(0.2, 0.1)
        return Prediction(
            run=self.run,
            instance=instance.id,
            qoi=0.0,
            qoi_baseline=baseline,
            is_correct=True,
            completeness_error=0.0,
            points=50,
            is_settled=None,
            target=target,
            label=-1,
            label_is_predicted=False,
            toward=instance.correct,
            against=instance.wrong,
            tokens=tokens,
            words=tokens,
            word_indices=indices,
            roles=["cls", *roles, "sep"],
        )

    def word(self, shard: Shard, prediction: Prediction, position: int) -> float:
        """Add the patterns of the word at a position; return its total influence."""
        total = self.random.gauss(0, 0.6) + (prediction.roles[position] == "subject")
        stops = self.stops(position, prediction.target, len(prediction.tokens))
        labels = [node_label("embedding" if layer else "input", layer, at) for layer, at in enumerate(stops)]
        influences = self.influences(total, len(labels) - 2)
        influences.append(influences[-1])
        margins = [None, *(self.margin() for _ in labels[1:-1]), None]
        if "embedding" in self.levels:
            self.add(shard, prediction, "embedding", total, labels, influences, margins)
        if "attention" in self.levels:
            self.attention(shard, prediction, total, stops, influences[-1])
        return total

    def attention(
        self, shard: Shard, prediction: Prediction, total: float, stops: list[int], whole: float
    ) -> None:
        labels = [node_label("input", 0, stops[0])]
        influences, margins = [whole], list[float | None]((None,))
        for layer in range(1, self.layers + 1):
            stays = stops[layer] == stops[layer - 1]
            kept = self.influences(influences[-1], 1)[-1]
            if stays and self.random.random() < 0.6:
                labels.append(node_label("skip", layer, stops[layer]))
            else:
                favourite = 1 if prediction.roles[stops[0]] == "subject" else 0
                head = favourite if self.random.random() < 0.5 else self.random.randrange(self.heads)
                labels.append(node_label("head", layer, stops[layer], head + 1))
            labels.append(node_label("embedding", layer, stops[layer]))
            influences += [kept, kept]
            margins += [self.margin(), None]
        self.add(shard, prediction, "attention", total, labels, influences, margins)

    def add(
        self,
        shard: Shard,
        prediction: Prediction,
        level: Level,
        total: float,
        labels: list[str],
        influences: list[float],
        margins: list[float | None],
    ) -> None:
        position = int(labels[0][-4:])
        path = [node_id(self.model, label) for label in labels]
        token = prediction.tokens[position]
        pattern = Pattern(
            id=pattern_id(self.run, prediction.instance, level, position),
            run=self.run,
            instance=prediction.instance,
            level=level,
            sign=1 if total >= 0 else -1,
            total_influence=total,
            influence=influences[-1],
            product=1 / (2 + position) if level == "embedding" else None,
            word=token,
            word_index=prediction.word_indices[position],
            token=token,
            position=position,
            role=prediction.roles[position],
            path=path,
            route=" ".join(labels),
            role_route=" ".join(role_label(label, prediction.roles[int(label[-4:])]) for label in labels),
            target_route=" ".join(target_label(label, prediction.target) for label in labels),
        )
        shard.patterns.append(pattern)
        shard.steps += [
            Step(
                pattern.id,
                step,
                node,
                influence,
                margin,
                None if margin is None else self.runner_up(level, node),
            )
            for step, (node, influence, margin) in enumerate(zip(path, influences, margins, strict=True))
        ]

    def runner_up(self, level: Level, node: str) -> int:
        """Return some other candidate than the node: a position, or a head (0: the skip)."""
        _, _, position, head, _ = parse_label(node[-LABEL_WIDTH:])
        chosen = position if level == "embedding" else head
        return self.random.choice([k for k in range(self.heads + 1) if k != chosen])

    def stops(self, position: int, target: int, length: int) -> list[int]:
        """Return the position at each layer 0..L; the last is the target."""
        stops = [position]
        for _ in range(self.layers - 1):
            moves = self.random.random() < 0.4
            stops.append(self.random.choice((target, self.random.randrange(length))) if moves else stops[-1])
        return [*stops, target]

    def influences(self, first: float, steps: int) -> list[float]:
        found = [first]
        for _ in range(steps):
            found.append(found[-1] * self.random.uniform(0.6, 1.1))
        return found

    def margin(self) -> float:
        return abs(self.random.gauss(0, 0.2))
