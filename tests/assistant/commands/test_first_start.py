"""The offer at a first start: after the choice, once, and none where there is nothing to offer."""

from assistant.commands.first_start import offer_pictures


class Fake:
    """A session whose user chooses after some looks, or ends it."""

    def __init__(self, looks: int = 0, *, ends: bool = False) -> None:
        self.left, self.ends = looks, ends
        self.said: list[str] = []

    @property
    def running(self) -> bool:
        return not (self.ends and self.left == 0)

    @property
    def choosing(self) -> bool:
        return self.left > 0

    def report(self, text: str) -> None:
        assert not self.choosing, "said over the first question"
        self.said.append(text)

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.left -= 1


def offered(session: Fake, text: str) -> list[str]:
    offer_pictures(session, lambda: text, session.wait).join(timeout=10)
    return session.said


def test_it_is_said_behind_the_choice() -> None:
    assert offered(Fake(), "for photographs: x") == ["For photographs: x"]
    assert offered(Fake(3), "for photographs: x") == ["For photographs: x"]


def test_nothing_is_said_without_an_offer_or_a_session() -> None:
    assert offered(Fake(), "") == []
    assert offered(Fake(2, ends=True), "for photographs: x") == []
