"""The word lists of the built-in grammars; every form is one piece in BERT's uncased vocabulary."""

from ipgraph.extractor.datasets.grammars.grammar import Choice


def one_form(words: str) -> tuple[Choice, ...]:
    """Return the words of a string as choices of one form."""
    return tuple((word,) for word in words.split())


def two_forms(pairs: str) -> tuple[Choice, ...]:
    """Return pairs written `farmer/farmers` as choices of two forms."""
    return tuple(tuple(pair.split("/")) for pair in pairs.split())


PEOPLE = two_forms(
    "farmer/farmers assistant/assistants doctor/doctors singer/singers lawyer/lawyers driver/drivers"
    " artist/artists clerk/clerks critic/critics editor/editors engineer/engineers judge/judges"
    " merchant/merchants nurse/nurses player/players poet/poets sailor/sailors scientist/scientists"
    " soldier/soldiers student/students tourist/tourists visitor/visitors worker/workers hunter/hunters"
    " reporter/reporters neighbor/neighbors musician/musicians builder/builders guest/guests leader/leaders"
)
"""People without a grammatical gender, singular and plural."""

KIN_AND_RANKS = two_forms(
    "man/woman king/queen prince/princess uncle/aunt father/mother brother/sister nephew/niece husband/wife"
    " son/daughter wizard/witch monk/nun boy/girl actor/actress waiter/waitress duke/duchess lord/lady"
    " emperor/empress hero/heroine groom/bride grandfather/grandmother"
)
"""People whose noun says their gender, male and female."""

ATTITUDES = two_forms("likes/like loves/love hates/hate knows/know trusts/trust fears/fear helps/help")
"""Transitive present-tense verbs, singular and plural."""

ADJECTIVES = one_form(
    "old young tall short happy sad tired busy strong calm clever famous hungry proud rich wise"
)
COPULA = two_forms("is/are")
ASSERTED = one_form("knew said thought believed felt heard hoped claimed")
"""Past-tense verbs that take a sentence."""
ACTED = one_form("hurt hid blamed praised protected described trusted surprised ruined introduced")
"""Past-tense verbs that take a reflexive."""
NUMBER_REFLEXIVES = two_forms("himself/themselves herself/themselves")
GENDER_REFLEXIVES = two_forms("himself/herself")

MODALS = one_form("will would can could should must")
ACTS = one_form("hurt help wash dress blame protect remember comfort trust describe save praise")
"""Bare verbs that take a person or a reflexive."""
DETERMINERS = one_form("the our your my some every")

ASPECTS = one_form("plot story ending acting music script dialogue humor pacing style message writing")
WORKS = one_form("film movie book play show series novel album comedy drama opera documentary")
VERDICTS = two_forms(
    "bad/good awful/great terrible/wonderful boring/exciting dull/funny ugly/beautiful weak/strong"
    " horrible/lovely stupid/clever disappointing/impressive annoying/charming unpleasant/pleasant"
    " silly/smart cold/moving poor/excellent"
)
"""Adjectives that praise or blame, negative and positive; a pair is one lemma to the split."""
INTENSIFIERS = one_form("really quite very truly simply rather")
