"""Beeps lead a hand to a barcode: none without one, faster as it comes nearer, over at a stop."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from assistant.frames import Frame
from assistant.seeing.barcode import locate_code, nearness, read_barcodes
from assistant.seeing.text import TextLine, TextPart
from assistant.session.events import AnswerGiven, ErrorSaid
from assistant.session.looking import FASTEST_S, SLOWEST_S, Beeps
from assistant.session.session import Session
from assistant.settings.settings import Settings
from assistant.skills.conversation import Conversation
from assistant.speech.speaker import Earcon
from tests.assistant.fakes_session import FakeCamera, FakeSpeaker, Scene

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 960, 720


def shown(width: int, *, blur: float = 0.0, left: float = 0.5, kind: str = "EAN13") -> Picture:
    """A code of so many pixels on a table; left: where its middle is, 0 to 1."""
    text = "4006381333931" if kind == "EAN13" else "https://example.org/a"
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    drawn = np.pad(
        np.array(zxingcpp.write_barcode_to_image(code, scale=4)), 40, constant_values=255
    )
    height = drawn.shape[0] * width // drawn.shape[1]
    drawn = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 160, (6, 8)).astype(np.uint8)
    table = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    x, y = round(left * WIDTH - width / 2), (HEIGHT - height) // 2
    table[y : y + height, x : x + width] = drawn
    if blur:
        table = cv2.GaussianBlur(table, (0, 0), blur)
    grain = rng.normal(0, 4, table.shape)
    return np.repeat(np.clip(table + grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def near(rgb: Picture) -> float | None:
    box = locate_code(rgb)
    return None if box is None else nearness(box, WIDTH, HEIGHT)


def test_a_code_that_cannot_be_read_is_located() -> None:
    far, close = shown(160, blur=2), shown(400, blur=4)
    assert read_barcodes(far) == read_barcodes(close) == ()
    for rgb, left in ((far, 0.5), (shown(200, blur=2, left=0.2), 0.2)):
        box = locate_code(rgb)
        assert box is not None
        x, y = sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4
        assert (x, y) == pytest.approx((left * WIDTH, HEIGHT / 2), abs=30)
    square = shown(250, blur=3, kind="QRCode")
    assert read_barcodes(square) == () and near(square) is not None


def test_larger_and_nearer_to_the_middle_is_nearer() -> None:
    shares = [near(shown(width, blur=2)) for width in (160, 250, 400)]
    assert None not in shares and shares == sorted(shares)  # type: ignore[type-var]
    middle, side = near(shown(200, blur=2)), near(shown(200, blur=2, left=0.15))
    assert middle is not None and side is not None and middle > side
    box = ((0.0, 0.0), (9999.0, 0.0), (9999.0, 99.0), (0.0, 99.0))
    assert 0 <= nearness(box, 100, 100) <= 1
    table = shown(20, blur=6)
    assert near(table) is None, "nothing like a code"
    assert locate_code(np.zeros((1, 1, 3), np.uint8)) is None


def test_the_pace_follows_the_nearness_and_silence_is_silence() -> None:
    now, share = [0.0], [None]  # type: tuple[list[float], list[float | None]]
    given: list[float] = []
    beeps = Beeps(lambda: given.append(now[0]), lambda frame: share[0], lambda: now[0])
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 0.0)

    def in_five_seconds(nearness: float | None) -> int:
        share[0] = nearness
        before = len(given)
        for _ in range(500):
            now[0] += 0.01
            rest_s = beeps.lead(frame)
            assert (rest_s is None) == (nearness is None)
            assert rest_s is None or 0 <= rest_s <= SLOWEST_S
        return len(given) - before

    assert in_five_seconds(None) == 0
    far, middling, close = (in_five_seconds(value) for value in (0.0, 0.5, 1.0))
    assert far == pytest.approx(5 / SLOWEST_S, abs=1)
    assert far < middling < close == pytest.approx(5 / FASTEST_S, abs=3)
    assert in_five_seconds(None) == 0


class NoText:
    def load(self) -> None: ...

    def read(self, rgb: Picture) -> tuple[TextLine, ...]:
        return ()

    def parts(
        self, rgb: Picture, *, limit_s: float, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[TextPart]:
        return iter(())


class Hand(FakeCamera):
    """Shows one picture after another; the last stays."""

    def __init__(self, pictures: list[Picture]) -> None:
        super().__init__()
        self.pictures = pictures

    def latest(self, max_age_s: float) -> Frame:
        rgb = self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]
        return Frame(rgb, time.monotonic())


def test_a_code_is_found_by_its_beeps_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.session.looking.LOOK_EVERY_S", 0.001)
    monkeypatch.setattr("assistant.session.looking.SLOWEST_S", 0.002)
    monkeypatch.setattr("assistant.session.looking.FASTEST_S", 0.001)
    nothing, unread, clear = shown(20, blur=6), shown(300, blur=3), shown(420)
    assert near(nothing) is None
    speaker = FakeSpeaker()
    session = Session(
        Conversation(NoText(), lambda: "there is no model"),
        settings=Settings(speech_mode="voice"),
        speaker=speaker,
        frames=Hand([nothing, nothing, unread, unread, clear]),
    )
    session.start()
    session.ask("scan the barcode")
    told = until_read(session)
    session.close()
    assert len(told) == 3, told
    assert "the picture is blurred" in told[0] and "something like a barcode" in told[1]
    assert "4006381333931" in told[2]
    assert speaker.earcons == [Earcon.NEAR, Earcon.NEAR, Earcon.FOUND]


def until_read(session: Session) -> list[str]:
    told: list[str] = []
    while not told or "EAN" not in told[-1]:
        event = session.events.get(timeout=5)
        if isinstance(event, AnswerGiven):
            told.append(event.text)
    return told


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made.start()
    made.session.close()


def test_stop_ends_the_beeps_and_a_minute_does_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.session.looking.FASTEST_S", 0.001)
    monkeypatch.setattr("assistant.session.looking.SLOWEST_S", 0.001)
    scene.answering.problems, scene.answering.near = ["No code."] * 100_000, 1.0
    scene.session.ask("scan the barcode")
    until(lambda: len(scene.speaker.earcons) > 3)
    scene.session.stop()
    scene.settle()
    count = len(scene.speaker.earcons)
    time.sleep(0.05)
    assert len(scene.speaker.earcons) == count and set(scene.speaker.earcons) == {Earcon.NEAR}
    monkeypatch.setattr("assistant.session.looking.MOST_KEPT_S", 0.05)
    scene.session.ask("scan the barcode")
    scene.until(lambda event: isinstance(event, ErrorSaid))
    scene.settle()
    count = len(scene.speaker.earcons)
    time.sleep(0.05)
    assert len(scene.speaker.earcons) == count


def until(happened: Callable[[], Any]) -> None:
    limit_s = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < limit_s
        time.sleep(0.005)
