"""A server of the user's own: what it is asked, which model answers, and when it is left."""

import base64
import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from assistant.errors import VisionError
from assistant.inference.server_address import parse_address
from assistant.inference.server_link import ServerKeeper
from assistant.inference.server_model import (
    Server,
    ServerTextModel,
    ServerVisionModel,
    without_thoughts,
)
from tests.assistant.inference.asking_servers import (
    PATIENT,
    RGB,
    text,
    threads,
)
from tests.assistant.inference.fake_model_server import (
    DONE,
    STREAM,
    Caller,
    ModelServer,
    event,
    plain,
    says,
    sends,
    serving,
    stalls,
    until,
)


@pytest.fixture
def keeper() -> Iterator[tuple[ModelServer, ServerKeeper]]:
    with serving() as fake:
        keeper = ServerKeeper(parse_address(fake.address), fake.address)
        yield fake, keeper
        keeper.close()


# What is asked, and how


def test_words_come_through_the_keeper_one_by_one_as_they_are_sent(
    keeper: tuple[ModelServer, ServerKeeper],
) -> None:
    fake, link = keeper
    taken = [threading.Event(), threading.Event()]

    def one_by_one(caller: Caller) -> None:
        caller.send(STREAM, event("A "))
        assert taken[0].wait(20)
        caller.send(event("café "))
        assert taken[1].wait(20)
        caller.send(event("€."), event(ends="stop"), DONE)

    fake.manner = one_by_one
    told = filter(None, ServerTextModel(Server(link, "tiny")).answer("Text", "Question?"))
    assert next(told) == "A "
    taken[0].set()
    assert next(told) == "café "
    taken[1].set()
    assert list(told) == ["€."]


def test_what_a_question_about_a_text_sends(keeper: tuple[ModelServer, ServerKeeper]) -> None:
    fake, link = keeper
    model = ServerTextModel(Server(link))
    assert "".join(model.answer("Rent: 500.", "How much?")) == "It is a cup."
    assert model.name == f"tiny on the server at 127.0.0.1:{fake.port}"
    listed, asked = fake.asked
    assert (listed.method, listed.path, listed.body) == ("GET", "/v1/models", b"")
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert set(asked.headers) == {
        *("Host", "Content-Length", "Content-Type"),
        *("Accept", "Accept-Encoding", "Connection", "User-Agent"),
    }
    assert asked.headers["User-Agent"] == "sightline", "no version of anything is told"
    chat = asked.chat
    assert (chat["model"], chat["stream"], chat["temperature"]) == ("tiny", True, 0)
    assert 0 < int(str(chat["max_tokens"])) <= 200
    system, user = chat["messages"]  # type: ignore[misc]
    assert system["role"] == "system" and user["role"] == "user"
    assert user["content"] == "Text:\nRent: 500.\n\nQuestion: How much?"


def test_a_picture_goes_as_a_small_jpeg_without_anything_else() -> None:
    with serving() as fake:
        model = ServerVisionModel(threads(fake))
        wide = np.kron(RGB, np.ones((100, 100, 1), np.uint8))
        scene = model.look(wide)
        assert fake.connections == 0, "looking sends nothing"
        told = list(model.answer(scene, "What is it?"))
    assert "".join(token.text for token in told) == "It is a cup."
    assert {token.probability for token in told} == {0.0}
    assert len(fake.questions()) == 1
    shown, question = fake.asked[-1].chat["messages"][1]["content"]  # type: ignore[index]
    assert question == {"type": "text", "text": "What is it?"}
    kind, _, packed = shown["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(packed)))
    assert picture.size == (1024, 614) and not picture.getexif()
    small = np.asarray(picture.resize((20, 12), Image.Resampling.BOX), np.float64)
    assert abs(small - RGB).mean() < 12


@pytest.mark.parametrize(
    "refuses",
    [
        [plain("400 Bad Request", b'{"error": {"message": "maximum context length is 2048"}}')],
        # A stream that was promised, and that ends before a word.
        [STREAM, event(role="assistant")],
    ],
)
def test_a_text_that_is_too_long_for_the_server_loses_its_end(refuses: list[bytes]) -> None:
    lengths: list[int] = []
    with serving() as fake:

        def at_most_3000(caller: Caller) -> None:
            asked = str(fake.asked[-1].chat["messages"][1]["content"])  # type: ignore[index]
            lengths.append(len(asked))
            if len(asked) > 3000:
                caller.send(*refuses)
            else:
                says("Short.")(caller)

        fake.manner = at_most_3000
        page = "".join(map(str, range(9000)))
        assert "".join(ServerTextModel(threads(fake)).answer(page, "Why?")) == "Short."
        assert lengths[0] <= 12_100 and lengths == sorted(lengths, reverse=True)
        last = str(fake.asked[-1].chat["messages"][1]["content"])  # type: ignore[index]
        assert page[: len(last) - 40] in last and last.endswith("Question: Why?")


def test_nothing_of_the_environment_and_no_cookie_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as fake, serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        monkeypatch.setenv("no_proxy", "")
        fake.manner = sends(
            STREAM.replace(b"Connection", b"Set-Cookie: a=b; Path=/\r\nConnection"),
            event("Yes."),
            event(ends="stop"),
            DONE,
        )
        link = ServerKeeper(parse_address(fake.address), fake.address)
        for _ in range(2):
            assert text(Server(link, "tiny", PATIENT)) == "Yes."
        link.close()
        assert proxy.connections == 0
        assert not any("cookie" in name.lower() for each in fake.asked for name in each.headers)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["<think>\nIt is 5?", " no.</th", "ink>\n\nIt is 6.", " Yes."], "It is 6. Yes."),
        (["<", "think>", "</think>", "Six."], "Six."),
        (["\n<think>never ends"], ""),
        (["a < b", " <think>"], "a < b <think>"),
        (["<b>", "bold"], "<b>bold"),
        (["<th"], "<th"),
        ([], ""),
    ],
)
def test_what_a_model_thinks_before_its_answer_is_not_told(
    pieces: list[str], expected: str
) -> None:
    assert "".join(without_thoughts(iter(pieces))) == expected


def test_thoughts_that_come_apart_are_not_told_and_control_characters_neither() -> None:
    def thinks(caller: Caller) -> None:
        caller.send(STREAM, event(reasoning_content="It may be red."), event(reasoning="Or."))
        caller.send(event("\x1b[31mRe\ue000d\u202e."), event(ends="stop"), DONE)

    with serving(manner=thinks) as fake:
        assert text(threads(fake)) == "[31mRed."


# Which model


@pytest.mark.parametrize(
    ("models", "chosen", "said"),
    [
        (("a", "b"), "", "has 2 models; set server.model to one of these: a; b"),
        (("a", "b"), "c", "has no model c; set server.model to one of these: a; b"),
        ((), "", "has no model; give it one"),
    ],
)
def test_a_model_that_is_not_there_is_told(models: tuple[str, ...], chosen: str, said: str) -> None:
    with serving(models=models) as fake, pytest.raises(VisionError, match=said):
        threads(fake, model=chosen).find()


def test_a_server_that_was_started_anew_is_asked_again_for_its_model() -> None:
    with serving(models=("old",)) as fake:
        server = threads(fake, model="")
        assert text(server) == "It is a cup."
        fake.models, fake.manner = ("new",), sends(plain("404 Not Found", b"{}"))
        with pytest.raises(VisionError):
            text(server)
        fake.manner = says("Again.")
        assert text(server) == "Again." and server.name.startswith("new on")
        assert fake.asked[-1].chat["model"] == "new"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"data": 5}', b'{"data": [5]}', b'{"data": [{"id": 5}]}', b"\xff"),
        *(b'{"data": [{"id": ""}]}', b'{"data": [{"id": "' + b"x" * 300 + b'"}]}'),
        b'{"data": [' + b",".join([b'{"id": "a"}'] * 300) + b"]}",
        b"[" * 100_000,
        b" " * 2_000_000,
    ],
)
def test_a_list_of_models_that_is_none(body: bytes) -> None:
    faulty = "is no server for models, or a faulty one: "
    with (
        serving(lists=sends(plain("200 OK", body))) as fake,
        pytest.raises(VisionError, match=faulty),
    ):
        threads(fake, model="").find()


# Nobody wants the answer any more


@pytest.mark.parametrize("begins", [[], [STREAM], [STREAM, event("It is ")]])
def test_it_is_left_within_one_chunk_wherever_it_is(begins: list[bytes]) -> None:
    unwanted = threading.Event()

    def begin_and_stall(caller: Caller) -> None:
        caller.send(*begins)
        unwanted.set()
        stalls()(caller)

    with serving(manner=begin_and_stall) as fake:
        answer = ServerTextModel(threads(fake)).answer("Text", "Why?", unwanted.is_set)
        assert "".join(answer) in ("", "It is ")
        assert unwanted.is_set()
        until(fake.gone.is_set)


def test_an_answer_about_a_picture_can_be_left_while_no_word_comes() -> None:
    with serving(manner=stalls(), sees=False) as fake:
        model = ServerVisionModel(threads(fake))
        answer = model.answer(model.look(RGB), "What is it?")
        assert {next(answer).text for _ in range(3)} == {""}
        answer.close()  # type: ignore[attr-defined]
        until(fake.gone.is_set)


def test_words_after_the_answer_was_left_are_not_told() -> None:
    with serving(manner=says(*("word " for _ in range(50)))) as fake:
        told: list[str] = []
        answer = ServerTextModel(threads(fake)).answer("Text", "Why?", lambda: bool(told))
        for word in answer:
            told.append(word)
        assert told == ["word "]
