"""One vocabulary: whatever can be heard is understood, and a new skill is one new file."""

import importlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import assistant.skills
from assistant.answers import Answer, Basis, Found, NoteKind
from assistant.cli import main
from assistant.hearing.grammar import build_grammar, sentence_pattern
from assistant.inference.pocket import Refusal, own_wording
from assistant.seeing.text import TextLine, TextPart, never
from assistant.session.orders import spoken_order
from assistant.skills import router
from assistant.skills.answerer import Answerer
from assistant.skills.router import say, skills, understand
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked
from assistant.skills.wording import Wording, expand
from assistant.stopwatch import Stopwatch
from assistant.text.words import bare_words

SAMPLES = {
    "thing": ("cup", "bottle", "light"),
    "things": ("cups", "people"),
    "shape": ("star", "fish"),
    "shapes": ("stars", "houses"),
    "colour": ("red", "grey"),
}
"""Of the rules that stand for one word out of many."""


class Jsgf:
    """Writes out the sentences of a grammar; knows nothing of how it was made."""

    def __init__(self, text: str) -> None:
        found = re.findall(r"^(?:public )?<(\w+)> = (.*);$", text, re.MULTILINE)
        self.rules = dict(found)

    def sentences(self, rule: str) -> list[str]:
        tokens = re.findall(r"<\w+>|[a-z']+|[()\[\]|]", self.rules[rule])
        (found, rest) = self._alternatives(tokens)
        assert rest == []
        return [" ".join(sentence.split()) for sentence in found]

    def _alternatives(self, tokens: list[str]) -> tuple[list[str], list[str]]:
        found, tokens = self._sequence(tokens)
        while tokens and tokens[0] == "|":
            more, tokens = self._sequence(tokens[1:])
            found = found + more
        return found, tokens

    def _sequence(self, tokens: list[str]) -> tuple[list[str], list[str]]:
        found = [""]
        while tokens and tokens[0] not in "|)]":
            first, *tokens = tokens
            if first in "([":
                inner, tokens = self._alternatives(tokens)
                assert tokens[0] == {"(": ")", "[": "]"}[first]
                inner, tokens = inner + ([""] if first == "[" else []), tokens[1:]
            elif first.startswith("<"):
                name = first[1:-1]
                inner = list(SAMPLES.get(name) or self.sentences(name))
            else:
                inner = [first]
            found = [f"{one} {other}" for one, other in itertools.product(found, inner)]
        return found, tokens


@pytest.fixture(scope="module")
def grammar() -> Jsgf:
    return Jsgf(build_grammar(lambda word: True))


class KnownLines:
    """A reader that has read already."""

    def __init__(self, *texts: str) -> None:
        self.lines = tuple(
            TextLine(text, ((9, y), (right, y), (right, y + 20), (9, y + 20)), 0.99)
            for text, y in zip(texts, range(10, 900, 30), strict=False)
            for right in (9 + 9 * len(text),)
        )

    def load(self) -> None: ...

    def read(self, rgb: Any) -> tuple[TextLine, ...]:
        return self.lines

    def parts(
        self, rgb: Any, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        yield TextPart(self.lines, 0)


class SmallModel:
    """Has the pocket model's skills, and one answer."""

    name = "small"
    skills: dict[str, float | None] = dict.fromkeys(
        ("colour", "count", "compare", "word", "title", "author", "category", "field", "lines"), 0.9
    )

    def look(self, rgb: Any) -> int:
        return 1

    def answer(self, scene: Any, question: str) -> Iterator[Any]:
        assert own_wording(question) is not None, question
        yield SimpleNamespace(text="red", probability=0.9)


def picture() -> Any:
    rgb = np.random.default_rng(0).integers(150, 250, (12, 20, 3)).astype(np.uint8)
    rgb = np.kron(rgb, np.ones((20, 20, 1), np.uint8))
    rgb[100:140, 100:300] = (200, 20, 20)
    return rgb


def test_whatever_can_be_heard_is_served(grammar: Jsgf) -> None:
    """By an order, a skill, or the small model's own wordings: by no refusal of the question."""
    answerer = Answerer(
        KnownLines("CORNER SHOP", "Date: 13/04/2025", "Total 5.50"), SmallModel, Stopwatch()
    )
    scene = answerer.scene(picture())
    heard = set(grammar.sentences("heard"))
    assert len(heard) > 1000
    for sentence in sorted(heard):
        own = own_wording(bare_words(sentence))
        if spoken_order(sentence) is not None or own is not None:
            continue
        asked = understand(sentence)
        pieces = list(answerer.answers(scene, asked))
        assert asked.skill != router.OTHER, sentence
        assert pieces, sentence
        for piece in pieces:
            assert isinstance(piece, Answer), sentence
            refused = piece.note(NoteKind.REFUSED)
            allowed = (None, Refusal.NO_SUCH_THING.value, Refusal.NOT_PLAIN.value)
            assert (refused and refused.detail) in allowed, sentence


def test_every_command_that_can_be_heard_is_an_order(grammar: Jsgf) -> None:
    for sentence in grammar.sentences("command"):
        assert spoken_order(sentence) is not None, sentence


@pytest.mark.parametrize("skill", skills(), ids=lambda skill: skill.name)
def test_a_sentence_belongs_to_the_skill_in_whose_file_it_stands(skill: Any) -> None:
    fill = {"is": "what's", "this": "the label", "picture": "this photo"}
    for wording in skill.wordings:
        for sentence in expand(wording.heard) if wording.heard else ():
            for name in re.findall(r"<(\w+)>", sentence):
                word = SAMPLES[name][0] if name in SAMPLES else fill[name]
                sentence = sentence.replace(f"<{name}>", word)
            owners = [
                other.name
                for other in skills()
                if any(each.is_whole(bare_words(sentence)) is not None for each in other.wordings)
            ]
            assert owners == [skill.name], sentence
            assert understand(sentence).skill == skill.name
            assert sentence_pattern().fullmatch(f"{sentence} "), sentence


def test_braces_hold_what_is_asked_about() -> None:
    wording = Wording("where (is | are) (my | the) {[<colour>] <thing>} [please]")
    assert wording.is_whole("where is my red cup please") == "red cup"
    assert wording.is_whole("where are the cup") == "cup"
    assert wording.is_whole("where is my") is None
    assert wording.is_whole("so where is my cup") is None
    assert Wording("go {home}|stay").is_whole("stay") == ""
    assert Wording(typed=r"cups? of (\w+)").is_part("two cups of tea please") == "tea"
    assert expand("a {b | c} [d]") == ["a b d", "a b", "a c d", "a c"]


def test_names_are_unique_and_files_hold_one_skill_each() -> None:
    names = [skill.name for skill in skills()]
    assert len(names) == len(set(names)) >= 30
    files = list((Path(assistant.skills.__file__).parent).glob("*.py"))
    assert sum("\nSKILL = " in file.read_text() for file in files) == len(names)


@pytest.mark.parametrize(
    "question", ["who is the letter from", "What's the name of the shop?", "what is the address"]
)
def test_whom_something_is_from_stands_at_its_top(question: str) -> None:
    reader = KnownLines("CITY BANK", "1 High Street", "Leeds", "Dear Sir")
    answer = Answerer(reader, lambda: "none.", Stopwatch()).answer(picture(), question)
    text = "At the top I read: CITY BANK; 1 High Street; Leeds and more."
    assert (say(answer), answer.basis) == (text, Basis.READ)
    assert answer.evidence == reader.lines[:3]


def test_the_shape_of_a_thing_is_asked_by_its_name() -> None:
    answerer = Answerer(KnownLines(), SmallModel, Stopwatch())
    answer = answerer.answer(picture(), "what shape is this")
    assert "knows only simple drawn objects" in say(answer)


TOY = '''
"""The number of an account, as it is printed on statements and letters."""

import re

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.quoting import as_read, different, in_sentence, not_found, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import Value


class AccountNumber:
    """The figures behind the words "account number"."""

    name = "account_number"
    wordings = (
        Wording(heard="<is> the account number [of this]", typed=r"\\baccount\\b.*\\bnumber\\b"),
    )
    traits = Traits(text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        read = rows(asked, scene)
        if not read:
            return None
        found = [
            Value(match[1], row)
            for row in read
            for match in re.finditer(r"account\\W*(?:number|no)\\W*([\\d-]{6,})", row.text, re.I)
        ]
        if not found:
            return not_found(self.name, "account number")
        return as_read(self.name, different(found))

    def say(self, answer: Answer, detail: Detail) -> str:
        return in_sentence(answer, detail, "The account number is {}.", missing="Turn it over.")


SKILL = AccountNumber()
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file in the folder of the skills."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "account_number.py").write_text(TOY)
    folders = [*assistant.skills.__path__, str(tmp_path / "more")]
    monkeypatch.setattr(assistant.skills, "__path__", folders)
    importlib.invalidate_caches()
    router.skills.cache_clear()
    yield
    router.skills.cache_clear()
    sys.modules.pop("assistant.skills.account_number", None)


@pytest.mark.usefixtures("toy", "offline")
def test_one_new_file_is_a_new_skill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Typed in free words, and heard.
    for question in ("What's the account number?", "tell me my account number please"):
        assert understand(question).skill == "account_number"
    assert sentence_pattern().fullmatch("what is the account number of this ")
    assert "what's the account number" in Jsgf(build_grammar(lambda word: True)).sentences(
        "question"
    )
    # Found on the line as it is printed, with its label, and said.
    reader = KnownLines("CITY BANK", "Account no: 7719-5520", "Balance 12.00")
    answer = Answerer(reader, lambda: "none.", Stopwatch()).answer(
        picture(), "what is the account number"
    )
    assert answer.found == (Found("7719-5520", "Account no", (reader.lines[1],)),)
    assert (answer.basis, say(answer)) == (Basis.READ, "The account number is 7719-5520.")
    # And for programs, from a picture file to JSON.
    page = np.full((200, 640, 3), 250, np.uint8)
    for y, text in ((60, "City Bank"), (130, "Account number 77195520")):
        cv2.putText(page, text, (20, y), cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 20), 2)
    Image.fromarray(page).save(tmp_path / "letter.png")
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    asked = ["ask", str(tmp_path / "letter.png"), "what is my account number", "--json"]
    assert main(asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["skill"], report["basis"]) == ("account_number", "read")
    assert report["answer"] == "The account number is 77195520."
    [value] = report["values"]
    assert (value["label"], value["value"]) == ("Account number", "77195520")
    assert "77195520" in value["lines"][-1]["text"] and len(value["lines"][-1]["box"]) == 4


def test_without_its_file_there_is_no_such_skill() -> None:
    assert understand("what is the account number").skill != "account_number"


def found_by(skill: str, scene: Scene) -> Answer | None:
    asked = Asked("", "", skill)
    return router.skill_named(skill).find(asked, scene)


@pytest.mark.parametrize("skill", [each.name for each in skills() if each.traits.text])
def test_a_text_skill_has_nothing_to_say_where_there_is_no_text(skill: str) -> None:
    scene = Scene(picture(), KnownLines(), Stopwatch())
    assert found_by(skill, scene) is None


@pytest.mark.parametrize(
    "lines",
    [
        ("Total 5.50", "Price 5.50", "Date: 13/04/2025", "EXP 11/2027", "Take 2 tablets daily"),
        ("Tel: 07-355 2616", "me@shop.example.com", "www.shop.com", "First published 1998"),
        ("by Ann Lee", "milk"),
    ],
)
def test_values_stand_on_their_lines(lines: Sequence[str]) -> None:
    scene = Scene(picture(), KnownLines(*lines), Stopwatch())
    for skill in (each.name for each in skills() if each.traits.text):
        answer = found_by(skill, scene)
        assert answer is not None
        # What stands in the largest letters is only likely the name of the thing.
        basis = Basis.GUESS if skill == "identify" else Basis.READ
        assert (answer.basis is basis) == bool(answer.found)
        for each in answer.found:
            assert each.lines and each.confidence == 0.99
            on_line = " ".join(line.text for line in each.lines)
            assert " ".join(each.value.split()) in on_line
            assert each.label is None or each.label in on_line
