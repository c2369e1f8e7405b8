"""A run directory as large as wanted, made of a real one: its patterns again and again, over new instances.

python benchmarks/scaled_run.py FOLDER [--instances 6600] [--sentences 100]

6,600 instances of the demo model's run on sva-obj are 132,000 patterns and 1.32 million steps. What a store's
time depends on (how paths spread over nodes, how texts repeat) is as it is in the real run.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ipgraph.graphstore.runs.directory import SHARD_INSTANCES, RunDirectory, Shard
from ipgraph.graphstore.schema.records import Instance, Pattern, Prediction, Step

INSTANCES = 6600
Example = tuple[Instance, Prediction, list[Pattern], dict[str, list[Step]]]


def main() -> None:
    """Make the demo model's run and its repetition, and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--instances", type=int, default=INSTANCES)
    parser.add_argument("--sentences", type=int, default=100)
    asked = parser.parse_args()
    print(scaled_run(demo_run(asked.folder, asked.sentences), asked.folder, asked.instances).path)


def demo_run(folder: Path, sentences: int = 100) -> RunDirectory:
    """Return the demo model's run on sva-obj, computed unless it is there."""
    from ipgraph.extractor.extraction.extract import extract

    return extract("demo", "sva-obj", runs_dir=folder, limit=sentences)


def scaled_run(source: RunDirectory, folder: Path, instances: int = INSTANCES, copy: int = 0) -> RunDirectory:
    """Return a run of `instances` instances that repeats the source's, made unless it is there.

    Each `copy` is another run, over the same instances.
    """
    shards = -(-instances // SHARD_INSTANCES)
    run = RunDirectory.create(
        folder,
        {"repeats": source.id, "instances": instances, "copy": copy},
        fields=source.fields,
        environment={"benchmark": "scaled_run"},
        shards=shards,
    )
    examples = _examples(source)
    for index in run.missing():
        first = index * SHARD_INSTANCES
        shard = Shard()
        for number in range(first, min(first + SHARD_INSTANCES, instances)):
            _add(shard, examples[number % len(examples)], run.id, number // len(examples))
        run.write_shard(index, shard)
    if not run.is_complete:
        run.finish()
    return run


def _examples(source: RunDirectory) -> list[Example]:
    patterns: dict[str, list[Pattern]] = defaultdict(list)
    steps: dict[str, list[Step]] = defaultdict(list)
    for pattern in source.records("patterns"):
        patterns[pattern.instance].append(pattern)
    for step in source.records("steps"):
        steps[step.pattern].append(step)
    pairs = zip(source.records("instances"), source.records("predictions"), strict=True)
    return [(instance, found, patterns[instance.id], steps) for instance, found in pairs]


def _add(shard: Shard, example: Example, run: str, turn: int) -> None:
    """Add an instance's repetition number `turn` to a shard."""
    instance, prediction, patterns, steps = example
    new = f"{instance.dataset}:{sha256(f'{instance.id}/{turn}'.encode()).hexdigest()[:12]}"
    shard.instances.append(replace(instance, id=new, name=f"{instance.name}/{turn}"))
    shard.predictions.append(replace(prediction, run=run, instance=new))
    for pattern in patterns:
        key = f"{run}/{new}/{pattern.id.rpartition('/')[2]}"
        shard.patterns.append(replace(pattern, id=key, run=run, instance=new))
        shard.steps += [replace(step, pattern=key) for step in steps[pattern.id]]


if __name__ == "__main__":
    main()
