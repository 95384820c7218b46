"""The full screen, driven by keys: what it shows, what it orders, and that it fits."""

import asyncio
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from assistant.answers import Basis
from assistant.session.events import State
from assistant.session.fetching import HOW
from assistant.session.phrases import FIRST_QUESTION, NOTHING_TO_PAUSE, PRESS_ONE, STILL_OPEN
from assistant.settings.settings import DEFAULT_KEYS
from assistant.ui.key_help import keys_text
from assistant.ui.tui import AssistantScreen, Panel
from tests.assistant.fakes_session import Scene
from tests.assistant.made_answers import answered, total
from tests.assistant.session.test_fetching import OFFERS, PHOTOS, TEXTS, FakePuller

Act = Callable[[Pilot[None], Scene], Awaitable[None]]


def drive(act: Act, size: tuple[int, int] = (80, 24), **settings: Any) -> Scene:
    scene = Scene(**settings)

    async def run() -> None:
        screen = AssistantScreen(scene.session)
        scene.session.start(ask_how_to_speak=settings.get("speech_mode") == "ask")
        async with screen.run_test(size=size) as pilot:
            await act(pilot, scene)
            scene.session.quit()
            await until(pilot, lambda: not screen.is_running)

    try:
        asyncio.run(run())
    finally:
        scene.answering.go.set()
        scene.session.close()
    return scene


async def until(pilot: Pilot[None], happened: Callable[[], bool]) -> None:
    for _ in range(500):
        if happened():
            return
        await pilot.pause(0.01)
    raise AssertionError("it did not happen")


def shown(pilot: Pilot[None], name: str) -> str:
    return pilot.app.query_one(f"#{name}", Panel).text


def title(pilot: Pilot[None], name: str) -> str:
    return str(pilot.app.query_one(f"#{name} .title").render())


async def ask(pilot: Pilot[None], words: str) -> None:
    await pilot.press("t", *(" " if letter == " " else letter for letter in words), "enter")


@pytest.mark.parametrize("size", [(40, 12), (200, 50)])
def test_a_question_and_its_answer_are_shown_with_the_basis(size: tuple[int, int]) -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        scene.answering.pieces = [
            total(),
            answered("x", Basis.GUESS),
        ]
        await ask(pilot, "what is the total")
        await until(pilot, lambda: shown(pilot, "answer") == "The total is 5.50.\nx (guess)")
        # What was read is not called a guess because of what follows it.
        assert title(pilot, "answer") == "Answer, read"
        assert shown(pilot, "question") == "what is the total"
        await until(pilot, lambda: title(pilot, "status") == "Status: speaking")
        for name in ("question", "answer", "status", "line"):
            place = pilot.app.query_one(f"#{name}").region
            assert place.height >= 1 and place.bottom <= size[1] and place.right <= size[0]

    drive(act, size)


def test_an_answer_in_parts_gets_its_basis_at_the_end_and_is_repeated_once() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        scene.answering.pieces = ["A cup.", "It is red.", answered("A cup. It is red.", Basis.SEEN)]
        await ask(pilot, "what is it")
        await until(pilot, lambda: title(pilot, "answer") == "Answer, seen")
        assert shown(pilot, "answer") == "A cup.\nIt is red."
        scene.answering.pieces = [answered("5.50"), *scene.answering.pieces]
        await ask(pilot, "what is the total")
        both = "5.50\nA cup.\nIt is red.\n(seen)"
        await until(pilot, lambda: shown(pilot, "answer") == both)
        await pilot.press("n")
        await until(pilot, lambda: title(pilot, "answer") == "Text, line 1 of 2")
        await pilot.press("a")
        await until(pilot, lambda: shown(pilot, "answer") == "5.50\nA cup. It is red. (seen)")
        assert title(pilot, "answer") == "Answer, read"
        await pilot.press("a")
        await until(pilot, lambda: scene.speaker.said.count("Seen: A cup.\nIt is red.") == 2)
        await pilot.pause(0.05)
        assert shown(pilot, "answer") == "5.50\nA cup. It is red. (seen)"

    drive(act)


@pytest.mark.parametrize("no_color", ["1", ""])
def test_no_colour_where_none_is_wanted(no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)

    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await pilot.press("n")
        await until(pilot, lambda: title(pilot, "answer") == "Text, line 1 of 2")
        colours = set()
        for widget in pilot.app.query("#answer, #answer .title, #answer .body, #line"):
            for strip in widget.render_lines(widget.region.reset_offset):
                styles = [segment.style for segment in strip if segment.style is not None]
                colours |= {style.color for style in styles} | {style.bgcolor for style in styles}
        named = {colour for colour in colours if colour is not None and not colour.is_default}
        assert bool(named) is not bool(no_color)
        # Without colours, too, nothing is hard to see.
        line = pilot.app.query_one("#line")
        [strip] = line.render_lines(line.region.reset_offset)
        assert not any(segment.style.dim for segment in strip if segment.style is not None)

    drive(act)


def test_the_cursor_stands_on_the_focused_panel() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        for name in ("status", "question", "answer"):
            panel = pilot.app.query_one(f"#{name}", Panel)
            pilot.app.set_focus(panel)
            body = panel.query_one(".body")
            await until(pilot, lambda b=body: pilot.app.cursor_position == b.content_region.offset)  # type: ignore[misc]

    drive(act, (40, 12))


def test_every_key_does_its_action() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await pilot.press("space")
        await until(pilot, lambda: title(pilot, "status") == "Status: listening")
        await pilot.press("space")
        await until(pilot, lambda: scene.listener.calls == ["start", "finish"])
        await pilot.press("escape")
        await until(pilot, lambda: title(pilot, "status") == "Status: ready")
        await pilot.press("r")
        await until(pilot, lambda: scene.answering.asked[-1:] != [])
        await pilot.press("w", "w", "full_stop", "comma", "plus", "minus")
        await until(pilot, lambda: "volume 80" in scene.speaker.calls[5:])
        assert [c for c in scene.speaker.calls if c in ("pause", "resume")] == ["pause", "resume"]
        assert {"rate 200", "rate 175", "volume 90"} <= set(scene.speaker.calls)
        await pilot.press("question_mark")
        await until(pilot, lambda: keys_text(DEFAULT_KEYS) in scene.speaker.said)
        await until(pilot, lambda: shown(pilot, "answer") == keys_text(DEFAULT_KEYS))
        await pilot.press("x")
        await until(pilot, lambda: scene.speaker.calls[-1] == "stop")
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)

    drive(act)


def test_keys_can_be_bound_anew() -> None:
    keys = MappingProxyType({**DEFAULT_KEYS, "read": "f2", "talk": "r"})

    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await pilot.press("f2")
        await until(pilot, lambda: bool(scene.answering.asked))
        await pilot.press("r")
        await until(pilot, lambda: scene.listener.calls == ["start"])

    drive(act, keys=keys)


def test_the_first_start_is_answered_by_a_key() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        # Where the cursor stands: on a small screen, notices would push it out of sight.
        await until(pilot, lambda: shown(pilot, "answer") == FIRST_QUESTION)
        await pilot.press("2")
        await until(pilot, lambda: scene.saved == ["speech.mode"])
        assert scene.session.settings.speech_mode == "screen_reader"

    drive(act, speech_mode="ask")


def test_an_offer_is_answered_by_one_key_which_else_is_free() -> None:
    puller = FakePuller()

    async def act(pilot: Pilot[None], scene: Scene) -> None:
        scene.session.offer(OFFERS, puller)
        await until(pilot, lambda: shown(pilot, "answer") == f"{PHOTOS} {HOW}")
        await pilot.press("1")
        await until(pilot, lambda: shown(pilot, "answer") == f"{TEXTS} {HOW}")
        assert puller.calls == ["smolvlm-500m"]
        await pilot.press("2")
        await until(pilot, lambda: scene.saved == ["models.offer"])
        await pilot.press("1")
        await until(pilot, lambda: "1 does nothing" in shown(pilot, "status"))
        assert puller.calls == ["smolvlm-500m"]

    drive(act)


def test_the_first_question_stays_open_and_a_wrong_key_says_what_to_press() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await until(pilot, lambda: shown(pilot, "answer") == FIRST_QUESTION)
        for key in ("s", "y", "5"):
            await pilot.press(key)
            await until(pilot, lambda k=key: shown(pilot, "question") == k)  # type: ignore[misc]
            await until(pilot, lambda: shown(pilot, "answer") == PRESS_ONE)
        await ask(pilot, "what is the total")
        await until(pilot, lambda: shown(pilot, "answer") == "The total is 5.50.")
        assert scene.session.choosing and STILL_OPEN in shown(pilot, "status")
        assert scene.speaker.said == [FIRST_QUESTION, *[PRESS_ONE] * 3]
        assert scene.speaker.earcons == []
        await pilot.press("1")
        await until(pilot, lambda: scene.saved == ["speech.mode"])
        assert not scene.session.choosing

    drive(act, speech_mode="ask")


def test_errors_and_commands_are_told() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await ask(pilot, "/reed")
        await until(
            pilot, lambda: shown(pilot, "status").startswith("Error: /reed: no such command")
        )
        scene.answering.pieces = [answered("a [red] page\x1b[0m")]
        await ask(pilot, "/read")
        await until(pilot, lambda: shown(pilot, "answer") == "a [red] page[0m")
        await pilot.press("o")
        assert pilot.app.query_one("#line", Input).value == "/open "
        await pilot.press("escape")
        assert pilot.app.focused is pilot.app.query_one("#answer")

    drive(act)


def test_letters_typed_fast_behind_the_key_are_not_lost() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        for letter in ("t", "q", "r", "o"):
            pilot.app.post_message(Key(letter, letter))
        await until(pilot, lambda: pilot.app.query_one("#line", Input).value == "qro")
        for key, character in (("escape", None), ("r", "r")):
            pilot.app.post_message(Key(key, character))
        await until(pilot, lambda: bool(scene.answering.asked))

    drive(act)


def test_the_screen_waits_for_no_model() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        scene.answering.go.clear()
        await ask(pilot, "what is it")
        await until(pilot, lambda: title(pilot, "status") == "Status: thinking")
        await pilot.press("escape")
        await until(pilot, lambda: title(pilot, "status") == "Status: ready")
        assert scene.session.state is State.IDLE

    drive(act)


def test_the_keys_that_are_told_work() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        parts = []
        for _ in range(4):
            await pilot.press("tab")
            parts.append(pilot.app.focused.id if pilot.app.focused else None)
        assert parts == ["status", "line", "question", "answer"]
        await pilot.press("question_mark")
        await until(pilot, lambda: "tab: go to" in shown(pilot, "answer"))
        answer = pilot.app.query_one("#answer", Panel)
        await pilot.press("down", "down")
        await until(pilot, lambda: answer.scroll_offset.y == 2)
        await pilot.press("t", "ctrl+q")
        await until(pilot, lambda: not pilot.app.is_running)

    drive(act, (40, 12))


def test_a_pause_is_told_and_so_is_that_there_is_nothing_to_pause() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await until(pilot, lambda: "Ready." in shown(pilot, "status"))
        scene.speaker.finish()
        await pilot.press("w")
        await until(pilot, lambda: NOTHING_TO_PAUSE in shown(pilot, "status"))
        scene.speaker.finish()
        await ask(pilot, "what is the total")
        await until(pilot, lambda: title(pilot, "status") == "Status: speaking")
        await pilot.press("w")
        await until(pilot, lambda: title(pilot, "status") == "Status: paused")
        assert scene.speaker.calls[-1] == "pause"
        await pilot.press("w")
        await until(pilot, lambda: title(pilot, "status") == "Status: speaking")
        assert scene.speaker.calls[-1] == "resume"
        await pilot.press("w", "a")
        await until(pilot, lambda: title(pilot, "status") == "Status: speaking")

    drive(act)


def test_a_key_without_an_action_says_so_once() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        told = "The key x does nothing. Press question mark to hear the keys."
        await pilot.press("x", "x", "f9", "x")
        await until(pilot, lambda: "The key f9 does nothing." in shown(pilot, "status"))
        scene.settle_only()
        await pilot.pause(0.05)
        assert shown(pilot, "status").count("The key x does nothing.") == 1
        assert scene.speaker.said.count(told) == 1

    drive(act)


def test_a_slash_opens_the_line() -> None:
    async def act(pilot: Pilot[None], scene: Scene) -> None:
        await pilot.press("slash", *"read", "enter")
        await until(pilot, lambda: bool(scene.answering.asked))
        assert scene.answering.asked[0][0] == "read this"
        assert "slash: type a command" in keys_text(DEFAULT_KEYS)

    drive(act)


def test_the_title_tells_work_only_where_the_wait_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.ui.tui.TOLD_AFTER_S", 0.3)

    async def act(pilot: Pilot[None], scene: Scene) -> None:
        titles: list[str] = []
        status = pilot.app.query_one("#status", Panel)
        show = status.show

        def noted(text: str, title: str | None = None) -> None:
            titles.append(title or "")
            show(text, title)

        monkeypatch.setattr(status, "show", noted)
        await ask(pilot, "what is the total")
        await until(pilot, lambda: "Status: speaking" in titles)
        assert not {"Status: looking", "Status: thinking"} & set(titles)
        scene.answering.go.clear()
        await ask(pilot, "what is the date")
        await until(pilot, lambda: titles[-1] == "Status: thinking")

    drive(act)
