"""The talk key before the microphone is ready: heard as soon as it is, and never twice."""

from assistant.hearing.late_listener import LateListener
from assistant.hearing.listener import Heard, HeardKind
from tests.assistant.fakes_session import FakeListener


class Making:
    """Makes the one real listener and counts how often."""

    def __init__(self) -> None:
        self.real = FakeListener()
        self.count = 0

    def __call__(self) -> FakeListener:
        self.count += 1
        return self.real


def late() -> tuple[LateListener, Making, list[Heard]]:
    heard: list[Heard] = []
    listener, making = LateListener(), Making()
    listener.on_heard = heard.append
    return listener, making, heard


def test_a_question_that_began_before_is_heard_from_the_first_moment() -> None:
    listener, making, heard = late()
    listener.start()
    listener.ready(making, at_once=True)
    assert making.real.calls == ["start"]
    listener.finish()
    making.real.hear(HeardKind.FINAL, "what is the total")
    assert [each.kind for each in heard] == [HeardKind.FINAL]
    listener.start()
    listener.cancel()
    assert making.real.calls == ["start", "finish", "start", "cancel"] and making.count == 1


def test_both_talk_keys_may_come_before() -> None:
    listener, making, _ = late()
    listener.start()
    listener.finish()
    listener.ready(making, at_once=False)
    assert making.real.calls == ["start", "finish"], "else nobody would end the question"


def test_a_question_given_up_before_is_not_heard() -> None:
    listener, making, _ = late()
    listener.start()
    listener.cancel()
    listener.ready(making, at_once=True)
    assert making.real.calls == [] and making.count == 1


def test_without_a_microphone_nothing_is_loaded_until_the_talk_key() -> None:
    listener, making, _ = late()
    listener.ready(making, at_once=False)
    assert making.count == 0
    listener.start()
    assert making.real.calls == ["start"]


def test_what_was_closed_loads_nothing_more() -> None:
    listener, making, _ = late()
    listener.start()
    listener.close()
    listener.ready(making, at_once=True)
    assert making.count == 0
