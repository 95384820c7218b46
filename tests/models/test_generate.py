"""Streaming answers: cached decoding against the whole sequence run anew for every token."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.processing import build_prompt, encode_prompt, preprocess_picture
from models.errors import ModelFolderError, PictureError, PromptError
from models.generate import PictureChat, StreamingText
from models.loading import LoadedModel
from models.pocket.training.export import build_tokenizer
from models.pocket.training.loop import pocket_config


@pytest.fixture(scope="module")
def chat() -> PictureChat:
    torch.manual_seed(3)
    model = CogVLM2ForCausalLM(pocket_config()).eval().requires_grad_(False)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)  # so wide that every step's best token is another
    return PictureChat(LoadedModel(model, build_tokenizer(), "cogvlm2", None, Path("unused")))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def greedy_without_cache(
    chat: PictureChat, rgb: np.ndarray, question: str, tokens: int
) -> tuple[list[int], list[float]]:
    """Greedy ids, end mark or not, and their probabilities; the whole sequence anew each time."""
    ids, types = encode_prompt(
        chat.tokenizer, build_prompt(question), chat.config, with_picture=True
    )
    pixels = preprocess_picture(rgb, chat.config)[None]
    said: list[int] = []
    probabilities: list[float] = []
    for _ in range(tokens):
        logits = chat.model(ids, types, pixels=pixels)[0, -1]
        said.append(int(logits.argmax()))
        probabilities.append(float(logits.softmax(-1).max()))
        ids = torch.cat((ids, torch.tensor([[said[-1]]])), dim=1)
        types = torch.cat((types, torch.zeros(1, 1, dtype=torch.long)), dim=1)
    return said, probabilities


def pieces_of(chat: PictureChat, ids: list[int]) -> str:
    """The text of ids up to the last that completes a character."""
    texts = [chat.tokenizer.decode(ids[:count]) for count in range(1, len(ids) + 1)]
    return next((text for text in reversed(texts) if not text.endswith("�")), "")


def test_answers_equal_uncached_greedy_decoding(chat: PictureChat, picture: np.ndarray) -> None:
    scene = chat.look(picture)
    for question in ("How many circles are there?", "Why?", "How many circles are there?"):
        tokens = list(chat.answer(scene, question, max_new_tokens=8))
        ids, probabilities = greedy_without_cache(chat, picture, question, 8)
        assert len(set(ids)) >= 6, "the oracle must say something that can go wrong"
        assert not set(ids) & set(chat.config.eos_token_ids)
        assert len(tokens) == 8
        assert "".join(token.text for token in tokens) == pieces_of(chat, ids)
        # Float32 sums in another order; a wrong token or position changes the first digit.
        assert [token.probability for token in tokens] == pytest.approx(probabilities, rel=1e-3)


def test_an_answer_ends_before_its_end_mark(chat: PictureChat, picture: np.ndarray) -> None:
    ids, _ = greedy_without_cache(chat, picture, "Why?", 3)
    assert ids[2] not in ids[:2]
    ending = PictureChat(LoadedModel(chat.model, chat.tokenizer, "cogvlm2", None, Path("unused")))
    ending.config = replace(chat.config, eos_token_ids=(chat.config.vocab_size - 1, ids[2]))
    tokens = list(ending.answer(ending.look(picture), "Why?", max_new_tokens=8))
    assert len(tokens) == 2
    assert "".join(token.text for token in tokens) == pieces_of(chat, ids[:2])


def test_a_question_leaves_the_scene_as_it_was(chat: PictureChat, picture: np.ndarray) -> None:
    scene = chat.look(picture)
    before = scene.cache.length
    first = [t for t in chat.answer(scene, "What colour is it?", max_new_tokens=4)]
    again = [t for t in chat.answer(scene, "What colour is it?", max_new_tokens=4)]
    assert first == again
    assert scene.cache.length == before == 1 + chat.config.num_picture_tokens


def test_two_answers_about_one_picture_can_be_read_in_turns(
    chat: PictureChat, picture: np.ndarray
) -> None:
    scene = chat.look(picture)
    questions = ("How many circles are there?", "What colour is it?")
    alone = [list(chat.answer(scene, question, max_new_tokens=6)) for question in questions]
    assert alone[0] != alone[1]
    both = [chat.answer(scene, question, max_new_tokens=6) for question in questions]
    in_turns = list(zip(*both, strict=True))
    assert [list(tokens) for tokens in zip(*in_turns, strict=True)] == alone


@pytest.mark.parametrize(("question", "cause"), [("  ", "empty"), ("why " * 600, "tokens")])
def test_unusable_questions_are_refused(
    chat: PictureChat, picture: np.ndarray, question: str, cause: str
) -> None:
    with pytest.raises(PromptError, match=cause):
        list(chat.answer(chat.look(picture), question))


@pytest.mark.parametrize("with_picture", [True, False])
def test_a_prompt_longer_than_the_context_is_refused(chat: PictureChat, with_picture: bool) -> None:
    places = chat.config.num_picture_tokens if with_picture else 0
    room = chat.config.max_position_embeddings - places - 1
    fits = "?" * room
    assert len(chat.tokenizer.encode(fits).ids) == room, "one token a character"
    ids, _ = encode_prompt(chat.tokenizer, fits, chat.config, with_picture=with_picture)
    assert ids.shape[1] == chat.config.max_position_embeddings
    with pytest.raises(PromptError, match=f"{room + 1} tokens but only {room} fit"):
        encode_prompt(chat.tokenizer, fits + "?", chat.config, with_picture=with_picture)


def test_two_pictures_are_refused(chat: PictureChat, picture: np.ndarray) -> None:
    for wrong in (np.stack([picture, picture]), picture[..., 0]):
        with pytest.raises(PictureError, match="takes one picture"):
            chat.look(wrong)
    ids, types = encode_prompt(chat.tokenizer, "Why?", chat.config, with_picture=True)
    twice = torch.cat((types, types), dim=1)
    pixels = preprocess_picture(picture, chat.config)[None].repeat(2, 1, 1, 1)
    for prompts in (twice, torch.cat((twice, torch.zeros_like(twice)))):
        with pytest.raises(PictureError, match="at most one picture"):
            chat.model(torch.zeros_like(prompts), prompts, pixels=pixels)


def test_a_template_can_be_asked_for(chat: PictureChat, picture: np.ndarray) -> None:
    scene = chat.look(picture)
    for template in ("vqa", "base"):
        asked = build_prompt("Why?", template=template)
        tokens = list(chat.answer(scene, "Why?", max_new_tokens=3, template=template))
        bare = list(chat.answer(scene, asked, max_new_tokens=3, template="base"))
        assert tokens == bare
    assert list(chat.answer(scene, "Why?", max_new_tokens=3)) != tokens
    with pytest.raises(PromptError, match="poem"):
        list(chat.answer(scene, "Why?", template="poem"))


def test_a_text_model_cannot_look() -> None:
    text_model = LoadedModel(nn.Linear(2, 2), build_tokenizer(), "llama", None, Path("x"))
    with pytest.raises(ModelFolderError, match="cannot look"):
        PictureChat(text_model)


def test_streamed_text_never_shows_half_a_character() -> None:
    tokenizer = build_tokenizer()
    stream = StreamingText(tokenizer)
    pieces = [stream.add(i) for i in tokenizer.encode("café 7 °C").ids]
    assert "".join(pieces) == "café 7 °C"
    assert all("�" not in piece for piece in pieces)


def test_a_picture_is_one_vector_to_compare_it_by(chat: PictureChat, picture: np.ndarray) -> None:
    vector = chat.embed(picture)
    assert vector.shape == (chat.config.hidden_size,) and vector.dtype == np.float32
    features = chat.model.model.vision(preprocess_picture(picture, chat.config)[None])
    expected = features[0, 1:-1].mean(0).numpy()
    np.testing.assert_allclose(vector, expected, rtol=1e-5)
    np.testing.assert_array_equal(vector, chat.embed(picture))
    assert not np.allclose(vector, chat.embed(255 - picture))
