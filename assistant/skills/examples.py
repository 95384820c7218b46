"""Ten things to ask: what is said for help. Of a picture only what that picture answers."""

import dataclasses

from assistant.answers import Answer, Basis, Cancelled, NoteKind
from assistant.seeing.text import never
from assistant.skills.router import skill_named, understand
from assistant.skills.scene import Scene

MOST_EXAMPLES = 10
"""More cannot be kept in mind by ear."""

ANYTIME = (
    "What is this?",
    "Read this.",
    "What is the total?",
    "When does it expire?",
    "What is the phone number?",
    "What colour is this?",
    "Is the light on?",
    "Scan the barcode.",
    "Say that again.",
    "Speak slower.",
)
"""Where there is no picture yet."""

_QUESTIONS = (
    "What is this?",
    "Read this.",
    "What is the total?",
    "How much is the tax?",
    "How did I pay?",
    "When does it expire?",
    "What is the dose?",
    "What is the date?",
    "What is the phone number?",
    "What is the e-mail address?",
    "What is the web address?",
    "Scan the barcode.",
    "Read the first line.",
    "Read the last line.",
    "Is there any text?",
    "What colour is this?",
    "Is the light on?",
    "How bright is it?",
    "Is it blank?",
)
"""In the order in which they are told."""

_ORDERS_ON_TEXT = ("Next line.", "Spell it.")
_ORDERS = (
    "Say that again.",
    "Double check.",
    "Speak slower.",
    "Speak faster.",
    "Louder.",
    "Quieter.",
    "More detail.",
    "Less detail.",
    "Stop.",
)
"""Orders that can always be given."""


def examples(scene: Scene | None, cancelled: Cancelled = never) -> tuple[str, ...]:
    """Ten questions and orders; of those about a picture only what it has an answer to.

    Raises:
        AssistantError: text recognition or the reader of barcodes failed.
    """
    if scene is None:
        return ANYTIME
    told = [question for question in _QUESTIONS if _is_answered(question, scene, cancelled)]
    orders = (*(_ORDERS_ON_TEXT if scene.known_lines else ()), *_ORDERS)
    # One order at least: that there are some is news to who asks for help.
    return (*told[: MOST_EXAMPLES - 1], *orders)[:MOST_EXAMPLES]


def _is_answered(question: str, scene: Scene, cancelled: Cancelled) -> bool:
    understood = understand(question)
    skill = skill_named(understood.skill)
    bears = skill.traits.bears
    if cancelled() or (scene.cause is not None and scene.cause not in bears):
        return False
    asked = dataclasses.replace(understood, cancelled=cancelled)
    # What is told without a model, as it is told first.
    looks = skill.traits.quick or (skill.find,)
    found = (look(asked, scene) for look in looks)
    return any(answer is not None and _is_sure(answer) for answer in found)


def _is_sure(answer: Answer) -> bool:
    """False for guesses and what has no label: it would be a poor example."""
    doubts = (NoteKind.NO_LABEL, NoteKind.IMPOSSIBLE, NoteKind.HARD_TO_READ)
    return answer.basis in (Basis.READ, Basis.SEEN) and not any(map(answer.note, doubts))
