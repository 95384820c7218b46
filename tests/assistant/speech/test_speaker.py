"""The speaking thread: asserted on what was spoken, in which order, and what was told."""

import time
from collections.abc import Callable, Iterator

import pytest

from assistant.audio import AudioClip
from assistant.errors import PlayerError, SynthesizerError
from assistant.speech.loudspeaker import Loudspeaker
from assistant.speech.sentence_speaker import SentenceSpeaker
from assistant.speech.speaker import Earcon, SpeechEvent, SpeechEventKind, SpeechPriority, Utterance
from tests.assistant.fakes_sound import FakePlayer, FakeVoice, wait_until

STARTED, FINISHED = SpeechEventKind.STARTED, SpeechEventKind.FINISHED
FAILED, BACK = SpeechEventKind.FAILED, SpeechEventKind.BACK


class Rig:
    """A speaker with a player and a voice that the test controls."""

    def __init__(self, player: FakePlayer | None = None) -> None:
        self.player, self.voice = player or FakePlayer(), FakeVoice()
        self.events: list[SpeechEvent] = []
        self.device_missing = False
        self.speaker = SentenceSpeaker(self.voice, self.open_player, on_event=self.events.append)

    def open_player(self) -> FakePlayer:
        if self.device_missing:
            raise PlayerError("no sound: no loudspeaker or headphones were found")
        return self.player

    def spoken(self) -> list[str]:
        return [event.text for event in self.events if event.kind is STARTED]

    def kinds(self) -> list[SpeechEventKind]:
        return [event.kind for event in self.events]

    def wait_spoken(self, *sentences: str) -> None:
        wait_until(lambda: len(self.spoken()) >= len(sentences))
        assert self.spoken() == list(sentences)

    def next_sentence(self) -> None:
        """Let the sentence that sounds come to its end."""
        before = len(self.events)
        self.player.finish()
        wait_until(lambda: len(self.events) > before)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.voice.gate.set()
    rig.speaker.close()
    assert rig.player.closed or rig.device_missing


def test_sentences_are_spoken_one_by_one_and_made_one_ahead(rig: Rig) -> None:
    rig.speaker.say(Utterance("One. Two. Three."))
    rig.wait_spoken("One.")
    wait_until(lambda: rig.voice.made == ["One.", "Two."])
    assert rig.speaker.is_speaking
    rig.next_sentence()
    rig.wait_spoken("One.", "Two.")
    rig.next_sentence()
    rig.next_sentence()
    assert rig.kinds() == [STARTED, STARTED, STARTED, FINISHED]
    assert rig.voice.made == ["One.", "Two.", "Three."], "no sentence is made twice"
    assert not rig.speaker.is_speaking


class SlowPlayer(FakePlayer):
    """A player between whose check and whose sound something else can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.before_sound: Callable[[], None] = lambda: None
        self.sounds = False

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        before, self.before_sound = self.before_sound, lambda: None
        before()
        # As the mixer does: a clip that begins is not paused.
        self.paused = False
        super().start(clip, when_over)
        self.sounds = True

    def stop(self) -> None:
        super().stop()
        self.sounds = False


@pytest.fixture
def slow() -> Iterator[Rig]:
    rig = Rig(SlowPlayer())
    yield rig
    rig.voice.gate.set()
    rig.speaker.close()


def test_a_stop_between_the_check_and_the_sound_wins(slow: Rig) -> None:
    player = slow.player
    assert isinstance(player, SlowPlayer)
    player.before_sound = slow.speaker.stop
    slow.speaker.say(Utterance("One. Two."))
    wait_until(lambda: slow.kinds() == [FINISHED])
    assert player.said == [len("One.")], "it began to sound after all"
    assert not player.sounds and slow.spoken() == [], "and was silenced"
    slow.speaker.say(Utterance("Three."))
    slow.wait_spoken("Three.")
    assert player.sounds


def test_a_pause_while_a_sentence_is_made_keeps_it_silent_until_it_is_resumed(rig: Rig) -> None:
    rig.voice.gate.clear()
    rig.speaker.say(Utterance("One. Two."))
    wait_until(lambda: rig.voice.waiting)
    began = time.monotonic()
    rig.speaker.pause()
    assert time.monotonic() - began < 0.05, "pause waits for nobody"
    rig.voice.gate.set()
    wait_until(lambda: rig.voice.made)
    time.sleep(0.05)
    assert rig.player.said == [] and rig.spoken() == [] and rig.speaker.is_speaking
    began = time.monotonic()
    rig.speaker.resume()
    assert time.monotonic() - began < 0.05
    rig.wait_spoken("One.")
    rig.next_sentence()
    rig.wait_spoken("One.", "Two.")


def test_a_pause_that_is_taken_back_while_a_sentence_is_made_changes_nothing(rig: Rig) -> None:
    rig.voice.gate.clear()
    rig.speaker.say(Utterance("One."))
    wait_until(lambda: rig.voice.waiting)
    rig.speaker.pause()
    rig.speaker.resume()
    rig.voice.gate.set()
    rig.wait_spoken("One.")
    assert not rig.player.paused


def test_a_pause_between_the_check_and_the_sound_is_kept(slow: Rig) -> None:
    player = slow.player
    assert isinstance(player, SlowPlayer)
    player.before_sound = slow.speaker.pause
    slow.speaker.say(Utterance("One. Two."))
    wait_until(lambda: player.said and player.paused)
    slow.speaker.resume()
    wait_until(lambda: not player.paused)
    slow.wait_spoken("One.")


def test_next_waits_for_the_sentence_and_now_breaks_in(rig: Rig) -> None:
    rig.speaker.say(Utterance("One. Two."))
    rig.wait_spoken("One.")
    rig.speaker.say(Utterance("Later."))
    rig.speaker.say(Utterance("Soon.", SpeechPriority.NEXT))
    rig.next_sentence()
    rig.wait_spoken("One.", "Soon.")
    rig.speaker.say(Utterance("Now!", SpeechPriority.NOW))
    rig.wait_spoken("One.", "Soon.", "Now!")
    rig.speaker.say(Utterance("Now too!", SpeechPriority.NOW))
    time.sleep(0.02)
    assert rig.spoken()[-1] == "Now!", "one alarm does not cut off another"
    for _ in range(4):
        rig.next_sentence()
    assert rig.spoken()[3:] == ["Now too!", "Soon.", "Two.", "Later."]


def test_stop_silences_at_once_and_forgets(rig: Rig) -> None:
    rig.speaker.say(Utterance("One. Two. Three."))
    rig.wait_spoken("One.")
    rig.speaker.stop()
    assert rig.player.stops == 1 and not rig.speaker.is_speaking
    wait_until(lambda: rig.kinds() == [STARTED, FINISHED])
    rig.speaker.say(Utterance("Four."))
    rig.wait_spoken("One.", "Four.")


def test_a_sentence_in_the_making_is_not_heard_after_stop(rig: Rig) -> None:
    rig.voice.gate.clear()
    rig.speaker.say(Utterance("One."))
    wait_until(lambda: rig.voice.waiting)
    began = time.monotonic()
    rig.speaker.stop()
    assert time.monotonic() - began < 0.05, "stop waits for nobody"
    rig.voice.gate.set()
    wait_until(lambda: rig.kinds() == [FINISHED])
    assert rig.player.said == []


def test_pause_keeps_the_place_and_lets_alarms_through(rig: Rig) -> None:
    rig.speaker.say(Utterance("One. Two."))
    rig.wait_spoken("One.")
    rig.speaker.pause()
    assert rig.player.paused and rig.speaker.is_speaking
    rig.speaker.say(Utterance("Now!", SpeechPriority.NOW))
    rig.wait_spoken("One.", "Now!")
    rig.player.finish()
    time.sleep(0.02)
    assert rig.spoken() == ["One.", "Now!"], "still paused"
    rig.speaker.resume()
    rig.wait_spoken("One.", "Now!", "One.")


def test_settings_reach_voice_and_player(rig: Rig) -> None:
    rig.speaker.say(Utterance("One. Two."))
    rig.wait_spoken("One.")
    wait_until(lambda: rig.voice.made == ["One.", "Two."])
    rig.speaker.set_rate(600)
    rig.speaker.set_volume(30)
    assert rig.voice.rate_wpm == 600 and rig.player.volume == 30
    rig.next_sentence()
    assert rig.voice.made == ["One.", "Two.", "Two."], "the sentence ahead had the old speed"
    with pytest.raises(SynthesizerError, match="80 to 600"):
        rig.speaker.set_rate(79)
    with pytest.raises(PlayerError, match="0 to 100"):
        rig.speaker.set_volume(101)


def test_a_missing_voice_is_told_and_the_former_one_speaks(rig: Rig) -> None:
    rig.player.finish_at_once = True
    rig.speaker.set_voice("klingon")
    rig.speaker.say(Utterance("One."))
    wait_until(lambda: rig.kinds() == [FAILED, STARTED, FINISHED])
    assert "klingon" in rig.events[0].text and rig.voice.name is None
    rig.speaker.set_voice("aunt")
    rig.speaker.say(Utterance("Two."))
    wait_until(lambda: rig.spoken() == ["One.", "Two."])
    assert rig.kinds().count(FAILED) == 1


def test_an_engine_that_fails_once_is_asked_again_and_twice_is_told_once(rig: Rig) -> None:
    rig.player.finish_at_once = True
    rig.voice.failures = 1
    rig.speaker.say(Utterance("One."))
    wait_until(lambda: rig.kinds() == [STARTED, FINISHED])
    rig.voice.failures = 100
    rig.speaker.say(Utterance("Two. Three."))
    wait_until(lambda: rig.kinds() == [STARTED, FINISHED, FAILED, FINISHED])
    assert rig.voice.failures == 98, "an engine that failed twice is left alone for a while"


def test_signals_sound_at_once(rig: Rig) -> None:
    for earcon in Earcon:
        rig.speaker.earcon(earcon)
    wait_until(lambda: rig.player.signals == len(Earcon))


def test_a_lost_loudspeaker_is_told_once_and_its_return_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.speech.loudspeaker.LOOK_AGAIN_S", (0.1,))
    rig.speaker.say(Utterance("One. Two. Three."))
    rig.wait_spoken("One.")
    rig.player.lost = True
    wait_until(lambda: rig.kinds()[1:] == [FAILED, FINISHED])
    assert "was lost; plug it in again" in rig.events[1].text
    rig.speaker.say(Utterance("Nobody hears this."))
    wait_until(lambda: rig.kinds()[1:] == [FAILED, FINISHED, FINISHED])
    rig.player.lost = False
    wait_until(lambda: rig.kinds()[-1] is BACK)
    rig.speaker.say(Utterance("Here again."))
    wait_until(lambda: rig.spoken() == ["One.", "Here again."])
    assert rig.kinds().count(FAILED) == 1


def test_no_loudspeaker_at_the_start_is_told_once_and_nothing_waits() -> None:
    events: list[SpeechEvent] = []

    def no_player() -> FakePlayer:
        raise PlayerError("no sound: no loudspeaker or headphones were found")

    voice = FakeVoice()
    speaker = SentenceSpeaker(voice, no_player, on_event=events.append)
    try:
        speaker.say(Utterance("One. " * 3000))
        speaker.earcon(Earcon.FOUND)
        speaker.pause()
        speaker.resume()
        wait_until(lambda: events and events[-1].kind is FINISHED)
        assert [event.kind for event in events].count(FAILED) == 1
        assert voice.made == [], "no sound is made that nobody can hear"
    finally:
        speaker.close()


def test_looking_for_the_loudspeaker_gets_rarer() -> None:
    now, looks = [0.0], [0]

    def no_player() -> FakePlayer:
        looks[0] += 1
        raise PlayerError("no sound")

    told: list[SpeechEvent] = []
    tell: Callable[[SpeechEvent], None] = told.append
    loudspeaker = Loudspeaker(no_player, tell, clock=lambda: now[0])
    for _ in range(4 * 600):
        loudspeaker.tend()
        now[0] += 0.25
    assert 20 <= looks[0] <= 30, "often at first, then every half minute"
    assert len(told) == 1
