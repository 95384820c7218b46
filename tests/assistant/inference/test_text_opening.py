"""A text model is loaded beside everything else, one at a time, and given up where it can be."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from assistant.errors import VisionError
from assistant.inference.text_model import TextModel
from assistant.inference.text_opening import GivenUp, TextOpener
from assistant.seeing.text import never
from assistant.wiring import ServedOrOwn

WAIT_S = 20.0
"""Longer than any of these steps takes on a busy machine."""


class Model:
    """A text model of which only the name and the life are of interest."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        yield from ()


class Loader:
    """Loads when it is let; counts how many loads go on at a time, and which were given up."""

    def __init__(self) -> None:
        self.let, self.begun = threading.Event(), threading.Event()
        self.now = self.most = 0
        self.folders: list[str] = []
        self.given_up: list[str] = []
        self.halves: list[weakref.ref[Model]] = []

    def __call__(self, folder: Path, go_on: Callable[[], None]) -> TextModel:
        half = Model(folder)
        self.halves.append(weakref.ref(half))
        self.folders.append(folder.name)
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.set()
        try:
            while not self.let.wait(0.005):
                go_on()
            return half
        except GivenUp:
            self.given_up.append(folder.name)
            raise
        finally:
            self.now -= 1


def until(is_so: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < WAIT_S
        time.sleep(0.005)


def is_stopped() -> bool:
    return True


def test_who_only_begins_waits_for_nothing_and_one_load_serves_all() -> None:
    loader = Loader()
    opener = TextOpener(lambda: Path("a"), load=loader)
    assert not opener.is_open and loader.folders == []
    opener.begin()
    opener.begin()
    assert loader.begun.wait(WAIT_S) and not opener.is_open
    assert opener(is_stopped) is None, "who says stop waits no longer"
    given: list[TextModel | None] = []
    waiting = [threading.Thread(target=lambda: given.append(opener())) for _ in range(3)]
    for each in waiting:
        each.start()
    loader.let.set()
    for each in waiting:
        each.join(WAIT_S)
    assert len(given) == 3 and given[0] is not None and len(set(map(id, given))) == 1
    assert opener.is_open and opener() is given[0] and loader.folders == ["a"]


def test_another_folder_gives_up_what_is_being_loaded_and_frees_what_was() -> None:
    loader, chosen = Loader(), [Path("a")]
    opener = TextOpener(lambda: chosen[0], load=loader)
    opener.begin()
    assert loader.begun.wait(WAIT_S)
    for name in "bcd":
        chosen[0] = Path(name)
        opener.begin()
    until(lambda: loader.folders[-1] == "d")
    assert "a" in loader.given_up
    loader.let.set()
    last = opener()
    assert last is not None and last.name == "d"
    assert loader.most == 1, "two models were in memory at a time"
    assert [half() for half in loader.halves] == [None] * (len(loader.halves) - 1) + [last]
    chosen[0] = Path("e")
    loader.let.clear()
    del last
    opener.begin()
    until(lambda: loader.folders[-1] == "e")
    assert loader.halves[-2]() is None, "the model before is still in memory"
    opener.close()


def test_the_end_gives_up_a_load_and_lets_nobody_wait() -> None:
    loader = Loader()
    opener = TextOpener(lambda: Path("a"), load=loader)
    given: list[TextModel | None] = []
    waiting = threading.Thread(target=lambda: given.append(opener()))
    waiting.start()
    assert loader.begun.wait(WAIT_S)
    began = time.monotonic()
    opener.close()
    assert time.monotonic() - began < 0.5
    waiting.join(WAIT_S)
    assert given == [None]
    until(lambda: loader.given_up == ["a"])
    until(lambda: loader.halves[0]() is None)
    opener.begin()
    assert opener() is None and loader.folders == ["a"], "it loads behind its end"


def test_what_cannot_be_loaded_is_said_to_who_needs_it_and_not_tried_ahead_again() -> None:
    tried: list[Path] = []
    held: list[weakref.ref[Model]] = []

    def broken(folder: Path, go_on: Callable[[], None]) -> TextModel:
        half = Model(folder)
        held.append(weakref.ref(half))
        tried.append(folder)
        raise VisionError("a file is damaged", "restore it")

    opener = TextOpener(lambda: Path("a"), load=broken)
    opener.begin()
    until(lambda: opener.is_open)  # nobody waits to hear it
    assert held[0]() is None, "the error keeps what was loaded so far"
    with pytest.raises(VisionError, match="a file is damaged; restore it"):
        opener()
    assert not opener.is_open
    opener.begin()
    time.sleep(0.05)
    assert len(tried) == 1
    with pytest.raises(VisionError, match="damaged"):
        opener()
    assert len(tried) == 2


def test_an_unexpected_failure_reaches_who_asks() -> None:
    def broken(folder: Path, go_on: Callable[[], None]) -> TextModel:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        TextOpener(lambda: Path("a"), load=broken)()


def test_without_a_model_nothing_is_loaded_and_nothing_waits() -> None:
    opener = TextOpener(lambda: None, load=Loader())
    assert opener.is_open
    opener.begin()
    assert opener() is None


def test_the_own_server_is_asked_as_long_as_it_is_wanted() -> None:
    loader = Loader()
    own = TextOpener(lambda: Path("own"), load=loader)
    served = Model(Path("served"))
    wanted: list[object] = [SimpleNamespace(texts=served)]
    models = ServedOrOwn(lambda: wanted[0], own)  # type: ignore[arg-type, return-value]  # a fake
    assert models.is_open and models() is served
    models.begin()
    assert loader.folders == [], "the model of this machine is loaded beside it"
    # It answers about pictures only, or is switched off: then the model of this machine answers.
    for now in (SimpleNamespace(texts=None), None):
        wanted[0] = now
        assert not models.is_open
    models.begin()
    assert loader.begun.wait(WAIT_S) and not models.is_open
    loader.let.set()
    own_model = models()
    assert own_model is not None and own_model.name == "own" and models.is_open
    wanted[0] = SimpleNamespace(texts=served)
    assert models() is served
