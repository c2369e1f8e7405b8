"""The kinds of rows by their fields, and what each says of its sentence.

- masked: `text` with one [MASK], `correct`, `wrong`;
- continued: `text`, a `continuation` with one [MASK], `correct`, `wrong`: what an encoder-decoder reads and
  what its decoder does;
- pair: `sentence_good`, `sentence_bad` that differ in exactly one word, which becomes the [MASK] (in a script
  without spaces: in one stretch of characters). For a causal model they may differ in more words: [MASK]
  follows those that both begin with, and the forms are the rests of the two sentences;
- labelled: `text`, perhaps a `second` text, and a `label`: a class by number or name, missing or -1.

All kinds may have `id`, `subtask`, `condition` and `roles` (one per whitespace word). In masked texts and
pairs, punctuation is split into words of its own and " ." is added if the sentence does not end, as in the
published code. In other texts, and those of a causal model, only runs of whitespace change. Case stays; the
tokenizer may change it.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ipgraph.extractor.datasets.example import MASK, Task
from ipgraph.extractor.datasets.rows import LONGEST_LINE, BadRow, Fields, shown
from ipgraph.extractor.datasets.words import check_count, is_spaceless, read_roles, shared_start, split_words

_SPECIAL = re.compile(r"\[(CLS|SEP|PAD)\]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0]")
"""Characters that show nothing, though their category is that of letters, marks or symbols."""
_SPOKEN = {"good": "good sentence", "bad": "bad sentence"}
_TRUTH = {"true": 1, "false": 0}
_MAX_LABEL = 2**31 - 1
MISSING = "(none)"
"""The subtask or condition of a row that has none, in a file in which other rows have one."""


@dataclass(frozen=True, slots=True)
class Content:
    """A sentence, and what a model should say of it."""

    words: list[str]
    roles: Sequence[str]
    correct: str = ""
    wrong: str = ""
    label: int = -1
    label_name: str = ""
    second: str = ""
    continuation: str = ""


Reader = Callable[[Fields], Content]


def masked(fields: Fields) -> Content:
    """Return a text with one [MASK]; raises BadRow, as the other kinds do, where that is not what it is."""
    words, roles = split_words(_text(fields, "text"), read_roles(fields.get("roles")))
    return Content(words, roles, *_forms(fields, words))


def cut(fields: Fields) -> Content:
    """Return a text with one [MASK] as it stands, of which a causal model reads what is before [MASK]."""
    words, roles = _text(fields, "text").split(), read_roles(fields.get("roles"))
    check_count(words, roles)
    correct, wrong = _forms(fields, words)
    if words[0].startswith(MASK):
        raise BadRow("nothing stands before [MASK], and a causal model reads only that")
    return Content(words, roles, correct, wrong)


def continued(fields: Fields) -> Content:
    """Return a text and its continuation, of which a decoder reads what is before [MASK]."""
    words, continuation = _text(fields, "text").split(), _text(fields, "continuation").split()
    roles = read_roles(fields.get("roles"))
    check_count([*words, *continuation], roles)
    if any(MASK in word for word in words):
        raise BadRow(f"the text has a {MASK}, which belongs into the continuation")
    correct, wrong = _forms(fields, continuation, "continuation")
    return Content(words, roles, correct, wrong, continuation=" ".join(continuation))


def _forms(fields: Fields, words: Sequence[str], what: str = "text") -> tuple[str, str]:
    """Return the two forms of a text with one [MASK]."""
    masks = sum(word.count(MASK) for word in words)
    if masks != 1:
        raise BadRow(f"the {what} has {{}} [MASK]; it must have exactly one", masks or "no")
    correct, wrong = _form(fields, "correct"), _form(fields, "wrong")
    if correct == wrong:
        raise BadRow("correct and wrong are both {!r}", correct)
    return correct, wrong


def pair(fields: Fields) -> Content:
    """Return the text of a good and a bad sentence that differ in one word."""
    good, roles = split_words(_text(fields, "good"), read_roles(fields.get("roles")))
    bad, _ = split_words(_text(fields, "bad"))
    if any(MASK in word for word in (*good, *bad)):
        raise BadRow(f"a good or bad sentence must not contain {MASK}")
    if len(good) != len(bad):
        raise BadRow("good and bad have {} and {} words; exactly one word must differ", len(good), len(bad))
    places = [place for place, word in enumerate(good) if word != bad[place]]
    if len(places) != 1:
        pairs = ", ".join(f"{good[place]}/{bad[place]}" for place in places[:3]) or "none"
        raise BadRow("good and bad differ in {} words ({}); exactly one word must differ", len(places), pairs)
    (place,) = places
    masked_word, correct, wrong = _difference(good[place], bad[place])
    return Content([*good[:place], masked_word, *good[place + 1 :]], roles, correct, wrong)


def diverging(fields: Fields) -> Content:
    """Return the words that a good and a bad sentence begin with, [MASK], and the rest of each."""
    if str(fields.get("one_prefix", True)).casefold() == "false":
        raise BadRow("one_prefix_method is false: the sentences do not differ in what follows one beginning")
    good, bad = _text(fields, "good").split(), _text(fields, "bad").split()
    roles = read_roles(fields.get("roles"))
    check_count(good, roles)
    if any(MASK in word for word in (*good, *bad)):
        raise BadRow(f"a good or bad sentence must not contain {MASK}")
    start = shared_start(good, bad)
    if not start:
        raise BadRow("good and bad begin with different words, and a causal model reads what both begin with")
    if start in (len(good), len(bad)):
        raise BadRow("one of good and bad begins the other")
    correct, wrong = " ".join(good[start:]), " ".join(bad[start:])
    return Content([*good[:start], MASK], roles[: start + 1], correct, wrong)


def _difference(good: str, bad: str) -> tuple[str, str, str]:
    """Return a word that differs with [MASK] for what differs, and the two forms of that."""
    if not (is_spaceless(good) and is_spaceless(bad)):
        return MASK, good, bad
    start = shared_start(good, bad)
    correct, wrong = good[start:], bad[start:]
    if end := shared_start(correct[::-1], wrong[::-1]):
        correct, wrong = correct[:-end], wrong[:-end]
    if not (correct and wrong):
        raise BadRow("only one of good and bad has {!r}; exactly one word must differ", correct + wrong)
    return good[:start] + MASK + good[len(good) - end :], correct, wrong


def labelled(fields: Fields) -> Content:
    """Return a text, perhaps with a second one, and its class, if any; roles are of the words of both."""
    words, roles = _text(fields, "text").split(), read_roles(fields.get("roles"))
    second = _text(fields, "second").split() if "second" in fields else []
    check_count([*words, *second], roles)
    label, name = _label(fields["label"]) if "label" in fields else (-1, "")
    return Content(
        words,
        roles,
        label=label,
        label_name=name or optional(fields, "label_name"),
        second=" ".join(second),
    )


def reader_of(fields: Fields, task: Task | None) -> Reader | None:
    """Return how to read a row of these fields, None where they are of no kind."""
    is_causal = task == "causal-lm"
    if "good" in fields and "bad" in fields:
        return diverging if is_causal else pair
    if "text" not in fields:
        return None
    with_mask = cut if is_causal else masked
    if "correct" in fields or "wrong" in fields:
        return continued if "continuation" in fields else with_mask
    has_mask = MASK in str(fields["text"]) if task is None else task != "classifier"
    return with_mask if has_mask and "label" not in fields else labelled


# --- fields ---


def _text(fields: Fields, name: str) -> str:
    """Return a required text, checked but unchanged."""
    value, what = fields.get(name), _SPOKEN.get(name, name)
    if not isinstance(value, str):
        raise (
            BadRow(f"{what} is missing")
            if _is_missing(value)
            else BadRow(f"{what} must be text, not {{}}", shown(value))
        )
    if not value.strip():
        raise BadRow(f"{what} is empty")
    if not any(map(_is_visible, value)):
        raise BadRow(f"{what} has only invisible characters")
    if len(value) > LONGEST_LINE:
        raise BadRow(f"{what} is longer than {LONGEST_LINE:,} characters")
    _check(what, value)
    return value


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp") and not _INVISIBLE.match(
        character
    )


def _check(what: str, value: str) -> None:
    if match := _UNPRINTABLE.search(value):
        raise BadRow(f"{what} contains the unprintable character {{}}", f"U+{ord(match[0]):04X}")
    if match := _SPECIAL.search(value):
        raise BadRow(f"{what} contains {match[0]}, which the tokenizer adds by itself; leave it out")


def _form(fields: Fields, name: str) -> str:
    """Return a word form."""
    form = _text(fields, name).strip()
    if len(form.split()) != 1 or MASK in form:
        raise BadRow(f"{name} must be one word, not {{}}", shown(form))
    return form


def group(fields: Fields, column: str) -> str:
    """Return a row's subtask or condition, "" if it has none."""
    value = optional(fields, column)
    return "" if value == MISSING else value


def optional(fields: Fields, name: str) -> str:
    """Return a text or whole number that a row need not have, "" if it has none."""
    value = fields.get(name)
    if _is_missing(value) or value == "":
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames write whole numbers with gaps as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow(f"{name} must be text or a whole number, not {{}}", shown(value))
    _check(name, str(value))
    return " ".join(str(value).split())


def _label(value: object) -> tuple[int, str]:
    """Return a class by its number, or -1 and its name; -1 alone stands for none (GLUE's convention)."""
    if _is_missing(value) or value == "":
        raise BadRow("label is missing; it must be a class, or -1 for a sentence without one")
    if isinstance(value, str):
        value = _TRUTH.get(value.strip().lower(), value)
    if isinstance(value, str) and "_" in value:  # 1_000 is a number to Python alone
        return -1, optional({"label": value}, "label")
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return -1, optional({"label": value}, "label")
    except OverflowError:
        number = math.nan
    if not (number.is_integer() and -1 <= number <= _MAX_LABEL):
        raise BadRow("label {} is not a class, such as 0, 1 or a name", shown(value))
    return int(number), ""


def _is_missing(value: object) -> bool:
    return value is None or value != value  # NaN in data frames
