"""The doctor's offer: one line answers it, a no is kept, and what comes is told in lines."""

from collections.abc import Callable

import pytest

from assistant.commands.offering import BEGUN, HOW, NEITHER, offer_by_line
from assistant.pull_progress import STOPPED, Progress
from tests.assistant.session.test_fetching import OFFERS, PHOTOS, TEXTS

DONE = Progress(is_done=True)


class AtOnce:
    """Tells all of a pull at once."""

    def __init__(self, *progress: Progress) -> None:
        self.progress = progress or (DONE,)
        self.pulled: list[str] = []

    def pull(self, name: str, told: Callable[[Progress], None]) -> None:
        self.pulled.append(name)
        for each in self.progress:
            told(each)

    def stop(self) -> None: ...

    def close(self) -> None: ...


def offered(puller: AtOnce, *typed: str) -> tuple[list[str], int]:
    said: list[str] = []
    declined: list[None] = []
    lines = iter(typed)

    def ask() -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    offer_by_line(OFFERS, puller, ask=ask, say=said.append, decline=lambda: declined.append(None))
    return said, len(declined)


def test_a_yes_pulls_and_the_next_one_is_offered() -> None:
    puller = AtOnce()
    assert offered(puller, "1", " Yes ") == (
        [
            f"{PHOTOS} {HOW}", BEGUN.format("SmolVLM"), "SmolVLM is here; I use it from now on.",
            f"{TEXTS} {HOW}", BEGUN.format("Qwen"), "Qwen is here; I use it from now on.",
        ],
        0,
    )  # fmt: skip
    assert puller.pulled == ["smolvlm-500m", "qwen"]


def test_a_no_ends_the_questions_and_is_kept() -> None:
    puller = AtOnce()
    assert offered(puller, "2") == ([f"{PHOTOS} {HOW}", "Without SmolVLM I do what I can."], 1)
    assert puller.pulled == []


def test_what_is_neither_pulls_nothing_and_is_not_kept() -> None:
    puller = AtOnce()
    assert offered(puller, "", "what?") == (
        [f"{PHOTOS} {HOW}", NEITHER, f"{TEXTS} {HOW}", NEITHER], 0,
    )  # fmt: skip
    assert offered(puller) == ([f"{PHOTOS} {HOW}"], 0)
    assert puller.pulled == []


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Progress(failed="no room; free 2 gigabytes"), "SmolVLM did not come: no room; free 2 gig"),
        (Progress(failed=STOPPED), "SmolVLM is not got any further"),
    ],
)
def test_a_pull_is_told_now_and_then_and_how_it_ended(end: Progress, said: str) -> None:
    shares = [Progress(share=share / 100) for share in range(1, 101)]
    puller = AtOnce(Progress(remark="a fails; trying b instead"), *shares, end)
    told, _ = offered(puller, "1")
    assert told[2] == "a fails; trying b instead"
    assert 8 <= sum("percent" in each for each in told) <= 10
    assert sum(each.startswith(said) for each in told) == 1
