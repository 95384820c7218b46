"""Models are offered, pulled after a yes alone, told of rarely, and stopped when told twice."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from assistant.hearing.listener import HeardKind
from assistant.pull_progress import STOPPED, Progress
from assistant.session import fetching, phrases
from assistant.session.events import ErrorSaid, State, StatusSaid
from assistant.session.orders import Action, Order
from tests.assistant.fakes_session import Scene

PHOTOS, TEXTS = "For photographs I can get SmolVLM: x.", "For texts I can get Qwen: y."


class FakeOffer:
    def __init__(self, key: str, name: str, words: str) -> None:
        self.key, self.name, self._words = key, name, words
        self.without = f"Without {name} I do what I can."

    def words(self) -> str:
        return self._words


OFFERS = (FakeOffer("smolvlm-500m", "SmolVLM", PHOTOS), FakeOffer("qwen", "Qwen", TEXTS))


class FakePuller:
    """Pulls when the test tells what became of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_closed = threading.Event()
        self.told: Callable[[Progress], None] = lambda progress: None

    def pull(self, name: str, told: Callable[[Progress], None]) -> None:
        self.calls.append(name)
        self.told = told

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.is_closed.set()

    def is_kept(self) -> bool:
        """Whether it is not ended; that happens beside the session."""
        return not self.is_closed.wait(0.02)


class Offering(Scene):
    """A session in which models have just been offered."""

    def __init__(self, *offers: FakeOffer, **settings: Any) -> None:
        super().__init__(**settings)
        self.puller = FakePuller()
        self.start()
        self.session.offer(offers or OFFERS[:1], self.puller)

    def said(self) -> list[str]:
        """What was said since the last call; also aloud, word for word."""
        events = [event for event in self.settle() if isinstance(event, StatusSaid | ErrorSaid)]
        texts = [event.text for event in events]
        assert self.speaker.said == texts
        self.speaker.said.clear()
        self.speaker.finish()
        self.settle()
        return texts

    def idle_answer(self) -> None:
        """Let a question be answered, and its answer be spoken."""
        self.until_state(State.SPEAKING)
        self.speaker.finish()
        self.idle()
        self.speaker.said.clear()

    def tell(self, **progress: Any) -> list[str]:
        self.puller.told(Progress(**progress))
        return self.said()


@pytest.fixture
def scenes() -> Iterator[list[Offering]]:
    made: list[Offering] = []
    yield made
    for scene in made:
        scene.session.close()


@pytest.fixture
def scene(scenes: list[Offering]) -> Offering:
    scenes.append(Offering())
    return scenes[0]


ASKED = f"{PHOTOS} {fetching.HOW}"
BEGUN = fetching.BEGUN.format("SmolVLM")


def test_the_offer_is_a_question_and_pulls_nothing(scene: Offering) -> None:
    events = scene.settle()
    assert [event for event in events if isinstance(event, StatusSaid)] == [
        StatusSaid(ASKED, is_question=True)
    ]
    assert scene.speaker.said == [ASKED]
    assert scene.session.offering and scene.puller.calls == []


@pytest.mark.parametrize("yes", ["1", "yes", "yes please", "go ahead"])
def test_one_key_or_a_yes_pulls_it_beside_the_conversation(scene: Offering, yes: str) -> None:
    scene.said()
    scene.session.ask(yes)
    assert scene.said() == [BEGUN]
    assert scene.puller.calls == ["smolvlm-500m"] and scene.saved == []
    assert not scene.session.offering
    scene.session.ask("what is the total")
    scene.idle_answer()
    assert scene.puller.is_kept()
    assert scene.tell(is_done=True) == ["SmolVLM is here; I use it from now on."]
    assert not scene.puller.is_kept(), "somebody may go online for nothing"


def test_a_spoken_yes_is_one(scene: Offering) -> None:
    scene.said()
    scene.session.talk()
    scene.settle()
    scene.listener.hear(HeardKind.FINAL, "yes")
    assert scene.said() == [BEGUN]
    assert scene.puller.calls == ["smolvlm-500m"]


@pytest.mark.parametrize("no", ["2", "no", "no thank you"])
def test_a_no_is_remembered_and_it_is_said_once_what_works_without(
    scenes: list[Offering], no: str
) -> None:
    scene = Offering(*OFFERS)
    scenes.append(scene)
    scene.said()
    scene.session.ask(no)
    assert scene.said() == [phrases.OFFERS_OFF, "Without SmolVLM I do what I can."]
    assert scene.saved == ["models.offer"]
    assert scene.session.settings.models_offer == "no"
    assert scene.puller.calls == [] and not scene.session.offering
    assert not scene.puller.is_kept()
    scene.session.ask("yes")
    assert scene.said() == [phrases.NOTHING_ASKED]


def test_who_wants_silence_or_to_hear_it_again_keeps_the_offer(scene: Offering) -> None:
    scene.said()
    scene.session.stop()
    scene.session.do(Order(Action.REPEAT))
    assert scene.said() == [ASKED]
    scene.session.ask("again")
    assert scene.said() == [ASKED]
    scene.session.ask("1")
    assert scene.said() == [BEGUN]


STILL = fetching.STILL_OPEN.format("SmolVLM")


def test_who_asks_something_else_has_agreed_to_nothing_and_declined_nothing(
    scene: Offering,
) -> None:
    scene.said()
    scene.session.do(Order(Action.LOUDER))
    scene.said()
    assert scene.session.offering, "the voice may be changed first"
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    assert STILL not in scene.speaker.said, "the answer comes first"
    scene.speaker.finish()
    scene.settle()
    assert scene.speaker.said[-1] == STILL and scene.speaker.said.count(STILL) == 1
    assert scene.session.offering and scene.puller.is_kept()
    assert scene.puller.calls == [] and "models.offer" not in scene.saved
    scene.speaker.finish()
    scene.session.ask("1")
    scene.settle()
    assert scene.puller.calls == ["smolvlm-500m"]


@pytest.mark.parametrize("no", ["2", "no"])
def test_a_no_behind_a_question_is_the_answer_to_the_offer(scene: Offering, no: str) -> None:
    scene.said()
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.speaker.finish()
    scene.settle()
    scene.session.ask(no)
    scene.settle()
    assert scene.saved == ["models.offer"] and scene.puller.calls == []
    assert not scene.session.offering and not scene.puller.is_kept()


def test_it_is_said_again_once_and_a_late_yes_is_asked_what_it_means(scene: Offering) -> None:
    scene.said()
    for _ in range(3):
        scene.session.ask("thank you")
        scene.settle()
        scene.speaker.finish()
        scene.settle()
        scene.speaker.finish()
        scene.settle()
    assert scene.speaker.said.count(STILL) == 1
    scene.speaker.said.clear()
    scene.session.ask("yes")
    assert scene.said() == [STILL]
    assert scene.puller.calls == []
    scene.session.ask("yes")
    assert scene.said() == [BEGUN]


def test_again_repeats_what_was_answered_since(scene: Offering) -> None:
    scene.said()
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.session.ask("again")
    scene.settle()
    assert ASKED not in scene.speaker.said


def test_two_are_offered_one_after_the_other_and_pulled_likewise(scenes: list[Offering]) -> None:
    scene = Offering(*OFFERS)
    scenes.append(scene)
    assert scene.said() == [ASKED]
    scene.session.ask("1")
    assert scene.said() == [BEGUN, f"{TEXTS} {fetching.HOW}"]
    scene.session.ask("1")
    assert scene.said() == ["Qwen comes behind SmolVLM."]
    assert scene.puller.calls == ["smolvlm-500m"], "one at a time"
    assert scene.tell(is_done=True) == [
        "SmolVLM is here; I use it from now on.", fetching.BEGUN.format("Qwen"),
    ]  # fmt: skip
    assert scene.puller.calls == ["smolvlm-500m", "qwen"] and scene.puller.is_kept()
    assert scene.tell(importing=True) == [fetching.IMPORTING.format("Qwen")]


def test_it_is_told_rarely_and_never_into_a_question(scene: Offering) -> None:
    scene.said()
    scene.session.ask("1")
    scene.said()
    said = [text for share in range(1, 101) for text in scene.tell(share=share / 100)]
    assert said == [f"SmolVLM: {share} percent are here." for share in (25, 50, 75)]


def test_nothing_is_told_while_the_user_speaks(scene: Offering) -> None:
    scene.said()
    scene.session.ask("1")
    scene.said()
    scene.session.talk()
    scene.settle()
    assert scene.tell(share=0.3) == []
    scene.session.talk()
    scene.listener.hear(HeardKind.FINAL, "thank you")
    scene.until(lambda event: isinstance(event, StatusSaid) and "welcome" in event.text)
    scene.speaker.said.clear()
    scene.speaker.finish()
    scene.idle()
    assert scene.tell(share=0.31) == ["SmolVLM: 31 percent are here."]


def test_another_source_is_said_and_a_failure_is_one_sentence_with_the_way_out(
    scene: Offering,
) -> None:
    scene.said()
    scene.session.ask("1")
    scene.said()
    remark = "the hub cannot be reached; trying a-model 1.0 instead"
    assert scene.tell(remark=remark) == ["SmolVLM: one source does not bring it; I try the next."]
    assert scene.tell(failed="no network; check it") == [
        "SmolVLM did not come: no network; check it. The command assistant doctor offers it again."
    ]
    # Nothing goes on behind it, so there is nothing to stop.
    for _ in range(2):
        scene.session.stop()
    assert scene.said() == [] and "stop" not in scene.puller.calls


def test_stop_silences_first_then_asks_and_then_ends_the_download(scene: Offering) -> None:
    scene.said()
    scene.session.ask("1")
    scene.settle()
    assert scene.speaker.is_speaking
    scene.session.stop()
    scene.settle()
    scene.speaker.said.clear()
    assert scene.puller.calls == ["smolvlm-500m"], "it was speaking: that is stopped"
    scene.tell(share=0.2)
    scene.session.stop()
    assert scene.said() == [fetching.STILL.format("SmolVLM", 20)]
    scene.clock.now_s += fetching.AGAIN_WITHIN_S + 1
    scene.session.stop()
    assert scene.said() == [fetching.STILL.format("SmolVLM", 20)], "that was long ago"
    scene.session.stop()
    scene.settle()
    assert scene.puller.calls == ["smolvlm-500m", "stop"]
    assert scene.tell(failed=STOPPED) == [fetching.HAS_STOPPED.format("SmolVLM")]


def test_before_it_is_known_who_speaks_nothing_is_offered(scenes: list[Offering]) -> None:
    scene = Scene(speech_mode="ask")
    scene.session.start(ask_how_to_speak=True)
    try:
        scene.idle()
        scene.speaker.said.clear()
        puller = FakePuller()
        scene.session.offer(OFFERS, puller)
        scene.settle()
        assert scene.speaker.said == [] and not scene.session.offering
    finally:
        scene.session.close()
