"""Questions to the assistant itself: the time, the day, who it is. No picture answers them.

A whole sentence only: "what time is it on the ticket" and "what day is it and what time" are about
what is in view.
"""

import datetime
import re

from assistant.text.words import bare_words

WHO_I_AM = (
    "I am Sightline, a program that answers questions about pictures and reads what is printed "
    "there. All of it happens on this machine. For examples, say help."
)
HERE = "I am here. Ask me about what is in view, or say help."

_COURTESY = re.compile(
    r"(?:please|ok|okay|so|and|hey|hi|hello|sorry|excuse me|sightline|can you|could you|would you"
    r"|do you know|tell me|say) "
)
_BEHIND = re.compile(r" (?:please|now|right now|just now|at the moment|currently|then|sightline)$")

_TIME = re.compile(
    r"(?:what|which) time (?:is it|it is|do you have|have you got|do you make it)"
    r"|what is the time|(?:do you have |have you got )?the time|how late is it|what hour is it"
)
_DAY = re.compile(
    r"(?:what|which) (?:day|date|weekday|day of the week|month|year) (?:is it|it is) today"
    r"|(?:what|which) (?:day|weekday|day of the week|month) (?:is it|it is)"
    r"|(?:what|which) (?:day|date|weekday) is today|what is (?:today|the day today)"
    r"|(?:what is )?(?:today(?:'?s| is the) date|the date (?:of )?today|the current date)"
    r"|what is today'?s? (?:date|day)"
)
_WHO = re.compile(
    r"(?:who|what) are you|what is your name|what are you called|who am i (?:talking|speaking) to"
    r"|are you (?:an? )?(?:\w+ )?(?:robot|human|person|computer|machine|program|app|ai)"
    r"|introduce yourself|(?:about|who) you are"
)
_HERE = re.compile(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day))(?: there| again)?(?: sightline)?"
    r"|are you (?:still )?there|can you hear me|how are you(?: today| doing)?"
)


def told_of_me(text: str, now: datetime.datetime) -> str:
    """What answers a question to the assistant itself; "" for every other question.

    now: the machine's clock, in its own time zone.
    """
    said = bare_words(text)
    if _HERE.fullmatch(said):
        return HERE
    words = _bare(said)
    if _TIME.fullmatch(words):
        return f"It is {now:%H:%M} by the clock of this machine."
    if _DAY.fullmatch(words):
        return f"Today is {now:%A}, {now.day} {now:%B %Y}, by the clock of this machine."
    return WHO_I_AM if _WHO.fullmatch(words) else ""


def _bare(words: str) -> str:
    """Words without the courtesy before and behind them."""
    while (lead := _COURTESY.match(words)) is not None:
        words = words[lead.end() :]
    while (end := _BEHIND.search(words)) is not None:
        words = words[: end.start()]
    return words
