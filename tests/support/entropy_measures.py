"""Measures of entropy, influence and QoI made by hand, as `evaluate` stores them for Figure 5."""

from ipgraph.graphstore.schema.records import Measure

WORDS = ("the", "subject", "attractor", "target")


def measures(run: str, *tasks: str) -> list[Measure]:
    """Return the measures that `evaluate` stores for Figure 5: by position, entropy falls with influence."""
    found = []
    for number, task in enumerate(tasks):
        for method, level in (("gpr", "embedding"), ("gpr", "attention"), ("attention", "embedding")):
            for at, word in enumerate(WORDS):
                falling = 0.4 - 0.1 * at + 0.3 * (word == "attractor")
                found.append(
                    measure(run, "position_entropy", method, level, task, f"position={at}", falling, word)
                )
                found.append(
                    measure(run, "position_influence", method, level, task, f"position={at}", at, word)
                )
            found.append(measure(run, "entropy", method, level, task, "", 0.1 + number / 10, "one structure"))
        found.append(measure(run, "qoi", "gpr", "", task, "", 5 - number, "one structure"))
    return found


def measure(
    run: str, metric: str, method: str, level: str, task: str, variant: str, value: float, note: str
) -> Measure:
    return Measure(
        id=f"{run}/{metric}/{method}/{level}/{task}/{variant}",
        run=run,
        metric=metric,
        method=method,
        level=level,
        grouping=task,
        variant=variant,
        value=value,
        low=value - 0.01,
        high=value + 0.02,
        count=24,
        seed=0,
        note=f"{note}; one structure: 4 tokens, target at 3",
    )
