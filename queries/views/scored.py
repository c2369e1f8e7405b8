"""An instance's tokens with the score that a run's method gives each of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import ask
from ipgraph.queries.views.sentence import Sentence

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Scored:
    """A text's tokens and their scores, which are shares where none is below zero."""

    title: str
    method: str
    tokens: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def is_signed(self) -> bool:
        """Whether a score is below zero, so that the sign says something."""
        return any(score < 0 for score in self.scores)

    @property
    def greatest(self) -> float:
        """The largest size of a score."""
        return max(map(abs, self.scores), default=0.0)

    @property
    def scale(self) -> tuple[float, float]:
        """What colours range over: from zero where no score is below it, else alike on both sides."""
        return (-self.greatest if self.is_signed else 0.0), self.greatest

    def position_of(self, token: str) -> int:
        """Return the position that a token's text or number names; "" is the most attributed, by size.

        Raises UsageError where no token is called so, or several are.
        """
        if not token:
            return max(range(len(self.scores)), key=lambda at: abs(self.scores[at]))
        places = [at for at, text in enumerate(self.tokens) if text == token]
        if token.isdecimal() and int(token) < len(self.tokens):
            places = [int(token)]
        if len(places) > 1:
            raise UsageError(f"{token!r} is at positions {', '.join(map(str, places))}; name one of these")
        if not places:
            raise UsageError(
                f"there is no token {token!r}; the tokens are 0 to {len(self.tokens) - 1}: "
                f"{' '.join(self.tokens)}"
            )
        return places[0]


def scored(store: "Store", run: Run, sentence: Sentence, name: str = "") -> Scored:
    """Return a sentence's tokens with their scores; `name` is the run's in the title, else the method's.

    Raises UsageError where the run has no scores of it.
    """
    rows = ask("attributions", store, run=run.id, instance=sentence.id, limit=NO_LIMIT).records()
    if not rows:
        raise UsageError(f"run {run.id} has no scores of {sentence.id}: its method is {run.method}")
    method = str(rows[0]["method"])
    title = f"{name or method}: {sentence.condition or sentence.name}"
    return Scored(title, method, sentence.tokens, tuple(row["score"] for row in rows))
