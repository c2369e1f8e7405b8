"""Sentences with patterns made by hand, for the diagrams that are drawn of them."""

from collections.abc import Sequence

from ipgraph.graphstore.schema.labels import node_label
from ipgraph.queries.views.sentence import Sentence, WordPattern

SKIP = None


def attention(position: int, g: float, *hops: tuple[int | None, int], influence: float = 0.5) -> WordPattern:
    """Return a pattern of (head or SKIP, position) hops, each losing a tenth of the influence."""
    labels, influences = [node_label("input", 0, position)], [influence]
    for layer, (head, to) in enumerate(hops, 1):
        through = node_label("skip", layer, to) if head is SKIP else node_label("head", layer, to, head)
        labels += [through, node_label("embedding", layer, to)]
        influences += [influences[-1] * 0.9] * 2
    return pattern("attention", position, g, labels, influences)


def embedding(position: int, g: float, *stops: int, influence: float = 0.5) -> WordPattern:
    labels = [node_label("embedding" if n else "input", n, at) for n, at in enumerate((position, *stops))]
    return pattern("embedding", position, g, labels, [g, *[influence] * len(stops)])


def pattern(
    level: str, position: int, g: float, labels: Sequence[str], influences: Sequence[float]
) -> WordPattern:
    return WordPattern(
        level="attention" if level == "attention" else "embedding",
        position=position,
        sign=1 if g >= 0 else -1,
        total_influence=g,
        influence=influences[-1],
        labels=tuple(labels),
        influences=tuple(influences),
        margins=(None,) * len(labels),
        runner_ups=(None,) * len(labels),
    )


def sentence(
    *patterns: WordPattern, tokens: str = "a b c d", roles: str = "det noun verb end", target: int = 3
) -> Sentence:
    return Sentence(
        id="toy:1",
        name="toy-1",
        subtask="sub",
        condition="plural",
        text=tokens,
        correct="are",
        wrong="is",
        label=-1,
        class_name="",
        toward="are",
        against="is",
        qoi=1.25,
        is_correct=True,
        label_is_predicted=False,
        completeness_error=0.0,
        target=target,
        tokens=tuple(tokens.split()),
        roles=tuple(roles.split()),
        patterns=patterns,
    )


TWO_WORDS = sentence(
    attention(0, 2.0, (SKIP, 0), (5, 3), influence=1.0),
    attention(1, -1.0, (1, 3), (SKIP, 3), influence=-0.5),
    embedding(0, 2.0, 0, 3),
    embedding(1, -1.0, 3, 3),
)
