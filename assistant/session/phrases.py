"""The sentences that a session says of itself."""

import re
from collections.abc import Sequence

from assistant.settings.settings import KEYS, Settings, value_text

FOR_HELP = "For help: question mark, or /help."
FIRST_QUESTION = (
    "Shall I speak, or do you use a screen reader? 1: speak. 2: screen reader. 3: text only. "
    "You can change it later with /set speech.mode."
)
PRESS_ONE = "Press 1, 2 or 3. 1: I speak. 2: your screen reader speaks. 3: text only."
STILL_OPEN = f"I am silent until you have chosen. {PRESS_ONE}"
CHOSEN = {
    "voice": f"I speak. {FOR_HELP}",
    "screen_reader": f"Your screen reader speaks; I only give short sounds. {FOR_HELP}",
    "none": f"I answer in text only, without any sound. {FOR_HELP}",
}
READY = f"Ready. Ask a question. {FOR_HELP}"
NO_PICTURE = (
    "There is no camera and no picture; I keep your question. Open a picture: /open PICTURE."
)
STILL_NO_PICTURE = (
    "The camera gives no picture; I keep your question. Or open a picture: /open PICTURE."
)
NOT_OPENED = (
    "That picture was not opened, so I answer nothing about it. Open one: /open PICTURE, or go "
    "back to the camera: /open camera."
)
WELCOME = "You are welcome."
ALL_RIGHT = "All right."
NOTHING_ASKED = "There is nothing to answer; ask me something."
NOTHING_DELETED = "Nothing is deleted."
NO_PICTURE_TO_READ = "There is no camera and no picture. Open a picture: /open PICTURE."
NO_PICTURE_TO_COMPARE = "There is no picture to compare. Open a picture: /open PICTURE."
NO_PAGES = "There are no pages to turn; only a file has pages. Open one: /open FILE."
CAMERA_AGAIN = "I look through the camera."
CAMERA_AGAIN_LOST = "I look through the camera again; it gives no picture now."
NO_CAMERA = "There is no camera. Open a picture: /open PICTURE."
KEPT_QUESTION = "I keep your question until I see more."
NO_GOOD_PICTURE = "No better picture came in a minute; show it to the camera and ask again."
NOTHING_TO_REPEAT = "There is nothing to repeat yet; ask a question first."
NOTHING_TO_PAUSE = "Nothing is being spoken that could be paused."
NOTHING_PAUSED = "Nothing is paused."
NOTHING_TO_CHECK = "There is no question to check yet; ask one first."
NOT_UNDERSTOOD = "I did not understand. Say it in other words, or type it."
NO_LISTENER = "I cannot hear: there is no microphone or no recognizer. Type your question."
NO_CAMERA_TO_WATCH = "Reading as you go needs a camera; this is a still picture. Try: /read."
MEMORY_ON = "Memory is switched on."
MEMORY_OFF = "Memory is switched off. What was saved stays."
SERVER_OFF = "The server is not asked any more; models of this computer answer."
OFFERS_ON = "I offer models that fit this machine again, in assistant doctor."
OFFERS_OFF = "All right, I do not offer it again; assistant doctor names what fits."
NO_MEMORY = "Memory is switched off. Switch it on: /set history.enabled true."
MEMORY_OPENS = "The memory is still being opened; ask again in a moment."
NOTHING_TO_REMEMBER = "There is nothing to remember yet; ask or read something first."
WATCHING = "I read new text as it comes into view. Say or press stop to end."
HEADPHONES_ON = "Headphones mode is on: say stop while I speak."
HEADPHONES_OFF = "Headphones mode is off: I do not listen while I speak."
STILL_WORKING = "I am still working on it."

_CHOICES = {
    "voice": r"1|one|speak|voice|(?:you )?speak|speech|(?:yes )?(?:please )?speak",
    "screen_reader": r"2|two|(?:i use )?(?:a |my )?(?:screen ?reader|braille(?: display)?)",
    "none": r"3|three|text(?: only)?|nothing|none|silent",
}


def choice_of_speech(text: str) -> str | None:
    """The speech mode that answers the first question, or None if this is no answer to it."""
    words = re.sub(r"[^\w ]", "", text.lower().replace("-", " ")).strip()
    return next((mode for mode, said in _CHOICES.items() if re.fullmatch(said, words)), None)


def is_wrong_choice(text: str) -> bool:
    """True for what can only be meant as an answer to the first question, and is none."""
    words = re.sub(r"[^\w ]", "", text.lower()).strip()
    return len(words) <= 1 or words.isdecimal() or re.fullmatch(_WRONG_CHOICES, words) is not None


_WRONG_CHOICES = r"(?:yes|yeah|yep|no|nope|ok|okay|both|none of them|four|zero)(?: please)?"


def help_words(examples: Sequence[str]) -> str:
    """What is said for help: examples, a line each, and where all commands are."""
    return "\n".join(("You can say, for example:", *examples, "/help lists all commands."))


def is_thanks(text: str) -> bool:
    """True for words that ask nothing and only thank."""
    words = re.sub(r"[^\w ]", "", text.lower()).strip()
    return re.fullmatch(_THANKS, words) is not None


_THANKS = (
    r"(?:ok(?:ay)? |great |oh |many )?(?:thanks?(?: you)?|thankyou|cheers)"
    r"(?: (?:very|so) much| a lot| again)?"
)


def waiting_words(waited_s: float) -> str:
    """What is said while the user waits; the seconds differ, so that no sentence comes twice."""
    return f"{STILL_WORKING} {waited_s:.0f} seconds so far."


def no_such_language(name: str) -> str:
    """What is said of a language whose name nobody knows."""
    return f"{name}: no such language; say it in English, such as: in German voice."


def setting_words(settings: Settings, name: str) -> str:
    """What is said when a setting has changed."""
    if name == "speech.rate":
        return f"{settings.speech_rate} words a minute."
    if name == "speech.volume":
        return f"Volume {settings.speech_volume} percent."
    if name == "speech.mode":
        return CHOSEN.get(settings.speech_mode, "I ask again at the next start.")
    if name == "verbosity":
        return ("Short answers.", "Answers of the usual length.", "All details.")[
            settings.verbosity
        ]
    if name == "speech.headphones":
        return HEADPHONES_ON if settings.speech_headphones else HEADPHONES_OFF
    if name == "history.enabled":
        return MEMORY_ON if settings.history_enabled else MEMORY_OFF
    if name == "models.offer":
        return OFFERS_ON if settings.models_offer == "ask" else OFFERS_OFF
    if name == "server.address" and not settings.server_address:
        return SERVER_OFF
    later = " It is used from the next start." if name in KEYS and KEYS[name].at_start else ""
    return f"{name} is {value_text(settings, name)}.{later}"
