"""Measures of entropy, influence and QoI made by hand, as `evaluate` stores them for Figure 5."""

from ipgraph.graphstore.schema.measures import MeasureKey, measure_id
from ipgraph.graphstore.schema.records import Measure

WORDS = ("the", "subject", "attractor", "target")


def measures(run: str, *tasks: str) -> list[Measure]:
    """Return the measures that `evaluate` stores for Figure 5: by position, entropy falls with influence."""
    found = []
    for number, task in enumerate(tasks):
        for method, level in (("gpr", "embedding"), ("gpr", "attention"), ("attention", "embedding")):
            for at, word in enumerate(WORDS):
                falling = 0.4 - 0.1 * at + 0.3 * (word == "attractor")
                key = MeasureKey("position_entropy", method, level, task, position=at)
                found.append(measure(run, key, falling, word))
                found.append(measure(run, key._replace(metric="position_influence"), at, word))
            found.append(measure(run, MeasureKey("entropy", method, level, task), 0.1 + number / 10))
        found.append(measure(run, MeasureKey("qoi", "gpr", "", task), 5 - number))
    return found


def measure(run: str, key: MeasureKey, value: float, word: str = "", draws: int = 0) -> Measure:
    return Measure(
        id=measure_id([run], key),
        runs=[run],
        **key._asdict(),
        word=word,
        draws=draws,
        resamples=1000,
        value=value,
        low=value - 0.01,
        high=value + 0.02,
        count=24,
        seed=0,
        note="one structure: 4 tokens, target at 3",
    )
