"""Models on a server of the user's own, asked as those on this machine are.

What they say is never more than a guess: nobody here has measured them, and the server's word for
how sure they are is not believed.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.errors import VisionError
from assistant.inference import server_link
from assistant.inference.server_link import Link, as_error
from assistant.inference.server_wire import Fault, FaultKind, Limits
from assistant.inference.text_model import INSTRUCTION, MOST_NEW_TOKENS
from assistant.seeing.text import never
from assistant.text.printable import printable
from models.pictures import RgbPicture

MOST_PICTURE_SIDE = 1024
"""Pixels; such models look at no more, and what is sent has to be taken apart again."""

JPEG_QUALITY = 90

MOST_NAMED = 5
"""Models that one sentence lists."""

MOST_TEXT_CHARACTERS = 12_000
LEAST_TEXT_CHARACTERS = 500
SHORTER = 0.6
"""What is left of a text that a server refuses as too long, before it is asked again."""

UNSURE = 0.0
"""The probability of every word of a server."""

LOOKING = (
    "You help a blind person. Answer in one to three short sentences, from the picture alone. "
    "If the picture does not show it, say: I cannot tell."
)

FINDING = Limits(first_s=10.0)
"""For the list of models, which takes no thinking."""

TEST_COLOURS: Mapping[str, tuple[int, int, int]] = {"red": (210, 20, 20), "blue": (20, 40, 210)}
TEST_QUESTION = "What colour is this picture? Answer with one word."
TEST_SIDE = 64
"""Plain pictures of which a model that sees can tell the colour. One that does not, and makes up
what it says, gives both times the same answer: its words alone would not show that."""

_MARKS = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|\[/?INST\]|</?(?:start|end)_of_turn>|</?think>")
"""Marks of turns in the ways of asking that are usual: a page must not speak for the user."""

_THOUGHT, _THOUGHT_ENDS = "<think>", "</think>"


Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ServerToken:
    """A piece of an answer; "" while none comes."""

    text: str
    probability: float = UNSURE


class Server:
    """One server, and which of its models is asked; used by one thread at a time."""

    def __init__(self, link: Link, model: str = "", limits: Limits | None = None) -> None:
        """Nothing is asked yet.

        model: the name of one of its models; "" for the only one that it has.
        """
        self._link = link
        self._chosen = model
        self._found = ""
        self._limits = limits or Limits()

    @property
    def named(self) -> str:
        """Where it is, as that is spoken."""
        return self._link.address.named

    @property
    def name(self) -> str:
        """Model and server, as far as they are known."""
        model = self._chosen or self._found
        return f"{printable(model)} on {self._where}" if model else self._where

    @property
    def _where(self) -> str:
        return f"the server at {self.named}"

    def find(self, limits: Limits = FINDING) -> None:
        """Look which models it has, and choose.

        Raises:
            VisionError: it does not answer as it should, or has not the model that was chosen.
        """
        for _ in self._finding(limits):
            pass

    def _finding(
        self, limits: Limits = FINDING, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """The same, with "" now and then while it lasts."""
        found: tuple[str, ...] = ()
        try:
            for known in server_link.names(self._link, limits, cancelled):
                found = known or found
                yield ""
        except Fault as fault:
            raise as_error(fault, self.named) from fault
        if cancelled():
            return
        if not found:
            raise VisionError(f"{self._where} has no model", "give it one")
        shown = "; ".join(map(printable, found[:MOST_NAMED]))
        choose = f"set server.model to one of these: {shown}"
        if self._chosen and self._chosen not in found:
            raise VisionError(f"{self._where} has no model {self._chosen}", choose)
        if not self._chosen and len(found) > 1:
            raise VisionError(f"{self._where} has {len(found)} models", choose)
        self._found = found[0]

    def words(self, messages: Messages, cancelled: Callable[[], bool] = never) -> Iterator[str]:
        """The words of an answer as they come, and "" now and then while none do.

        Raises:
            Fault: the server gives no answer, or breaks it off.
            VisionError: no model is chosen, or nobody is there to call the server.
        """
        if not (self._chosen or self._found):
            yield from self._finding(cancelled=cancelled)
        if cancelled():
            return
        chat = {
            "model": self._chosen or self._found,
            "messages": messages,
            "max_tokens": MOST_NEW_TOKENS,
            "temperature": 0,
        }
        try:
            for piece in without_thoughts(
                server_link.words(self._link, chat, self._limits, cancelled)
            ):
                yield printable(piece)
        except Fault:
            self._found = ""  # it may have been started anew, with another model
            raise


class ServerVisionModel:
    """A model that looks at pictures; its answers stream, and are guesses."""

    skills: Mapping[str, float | None] | None = None
    photographs: Mapping[str, float] = {}
    """What was measured on photographs: nothing."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.name
        self._sees = ""

    def look(self, rgb: RgbPicture) -> str:
        """The picture (H, W, 3) as an address that holds it; nothing is sent before a question."""
        return as_data_url(rgb)

    def answer(self, scene: Any, question: str) -> Iterator[ServerToken]:
        """Stream the answer, with empty pieces while none comes: who takes them may stop there.

        A model that is asked for the first time is shown two plain pictures before.

        Raises:
            VisionError: the server gives no answer, or breaks it off; or its model does not see.
        """
        try:
            if not self._sees or self._sees != self._server.name:
                yield from self._test()
            for words in self._asked(scene, _harmless(question), LOOKING):
                self.name = self._server.name
                yield ServerToken(words)
        except Fault as fault:
            raise as_error(fault, self._server.named, takes_pictures=True) from fault

    def _test(self) -> Iterator[ServerToken]:
        """Find out whether it sees; gives empty pieces meanwhile."""
        for name, colour in TEST_COLOURS.items():
            plain = np.full((TEST_SIDE, TEST_SIDE, 3), colour, np.uint8)
            said = ""
            for words in self._asked(as_data_url(plain), TEST_QUESTION, ""):
                said += words.lower()
                yield ServerToken("")
            named = {each for each in TEST_COLOURS if each in said}
            if named != {name}:
                raise VisionError(
                    f"{self._server.name} cannot tell a red picture from a blue one, so it is "
                    "not asked about yours",
                    "give it a model that sees pictures, or set server.answers to texts",
                )
        self._sees = self._server.name

    def _asked(self, address: str, question: str, instruction: str) -> Iterator[str]:
        shown = {"type": "image_url", "image_url": {"url": address}}
        asked = [shown, {"type": "text", "text": question}]
        system: Messages = [{"role": "system", "content": instruction}] if instruction else []
        return self._server.words([*system, {"role": "user", "content": asked}])


class ServerTextModel:
    """A model that answers questions about a text."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.name

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """Stream the answer; a text that is too long for the server loses its end.

        Raises:
            VisionError: the server gives no answer, or breaks it off.
        """
        text, question = _harmless(text)[:MOST_TEXT_CHARACTERS], _harmless(question)
        begun = False
        while True:
            asked = f"Text:\n{text}\n\nQuestion: {question}"
            messages: Messages = [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": asked},
            ]
            try:
                for words in self._server.words(messages, cancelled):
                    self.name = self._server.name
                    if words:
                        begun = True
                        yield words
                return
            except Fault as fault:
                if begun or not _may_be_too_long(fault) or len(text) <= LEAST_TEXT_CHARACTERS:
                    raise as_error(fault, self._server.named) from fault
            text = text[: int(len(text) * SHORTER)]


def _harmless(text: str) -> str:
    return _MARKS.sub(" ", text)


def _may_be_too_long(fault: Fault) -> bool:
    """True where a server says that a text does not fit, or begins an answer and gives up.

    llama-cpp-python's server does the latter: it promises a stream before it counts.
    """
    says_so = fault.kind is FaultKind.REFUSES and "context" in fault.detail.lower()
    return says_so or fault.kind is FaultKind.BROKE_OFF


def as_data_url(rgb: RgbPicture) -> str:
    """A picture (H, W, 3) as a JPEG inside an address, at most `MOST_PICTURE_SIDE` wide and high.

    No file is made, and no name or place goes with it.
    """
    from PIL import Image

    picture = Image.fromarray(rgb)
    picture.thumbnail((MOST_PICTURE_SIDE, MOST_PICTURE_SIDE), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode("ascii")


def without_thoughts(pieces: Iterator[str]) -> Iterator[str]:
    """An answer without what a model thinks aloud before it, in the marks that models use."""
    begun, thinks = "", True
    for piece in pieces:
        if not thinks:
            yield piece
            continue
        begun += piece
        start = begun.lstrip()
        if not start or (_THOUGHT.startswith(start) and start != _THOUGHT):
            yield ""  # nobody knows yet
        elif not start.startswith(_THOUGHT):
            thinks = False
            yield begun
        elif _THOUGHT_ENDS in start:
            thinks = False
            yield start.partition(_THOUGHT_ENDS)[2].lstrip()
        else:
            yield ""
    if thinks and not begun.lstrip().startswith(_THOUGHT):
        yield begun  # its beginning was all of it
