"""Things are known again by their pictures: nearer, turned, darker; and no other thing is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.errors import UsageError
from assistant.frames import Frame
from assistant.memory import file as memory_file
from assistant.memory import keys as memory_keys
from assistant.memory import search as memory_search
from assistant.memory.keys import PassphraseKey
from assistant.memory.notebook import SavedNotebook
from assistant.memory.search import FoundBy
from assistant.memory.store import Memory
from assistant.seeing.landmarks import LEAST_FITTING, Landmarks, find_landmarks, fitting
from models.pictures import load_picture

Picture = NDArray[np.uint8]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setattr(memory_keys, "SCRYPT_COST", 2**4)
    return Memory(tmp_path / "memory", PassphraseKey("correct horse battery"), enabled=True)


def thing(seed: int) -> Picture:
    """A label: coloured patches and letters, other ones for each seed."""
    rng = np.random.default_rng(seed)
    rgb = np.full((480, 640, 3), rng.integers(120, 230, 3), np.uint8)
    for _ in range(25):
        x, y = (int(value) for value in rng.integers(10, 400, 2))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        size = rng.integers(20, 120, 2)
        cv2.rectangle(rgb, (x, y), (x + int(size[0]), y + int(size[1])), colour, -1)
        letters = "".join(chr(int(code)) for code in rng.integers(65, 91, 4))
        cv2.putText(rgb, letters, (y, x), cv2.FONT_HERSHEY_SIMPLEX, 1.2, colour, 3)
    return rgb


def taken_again(rgb: Picture, *, zoom: float, degrees: float, light: float, seed: int) -> Picture:
    """The same thing by another hand: nearer or farther, turned, moved, in another light."""
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2 + 15, height / 2 - 10), degrees, zoom)
    moved = cv2.warpAffine(rgb, turn, (width, height), borderValue=(90, 90, 90)) * light
    grain = np.random.default_rng(seed).normal(0, 5, moved.shape)
    return np.clip(moved + grain, 0, 255).astype(np.uint8)


def as_frame(rgb: Picture) -> Frame:
    return Frame(rgb, 0.0)


def test_a_thing_is_known_again_nearer_turned_and_darker_and_others_are_not(
    memory: Memory,
) -> None:
    notebook = SavedNotebook(memory)
    for seed in range(4):
        notebook.remember(f"thing {seed}", "text", as_frame(thing(seed)))
    notebook.remember("words only", "text", None)
    for seed in (0, 3):
        again = taken_again(thing(seed), zoom=1.3, degrees=20, light=0.5, seed=seed)
        (found,) = notebook.seen_before(as_frame(again))
        assert found.name == f"thing {seed}" and "looks the same" in found.why
    assert notebook.seen_before(as_frame(thing(99))) == []


def test_nothing_is_claimed_of_pictures_in_which_nothing_can_be_known_again(
    memory: Memory,
) -> None:
    notebook = SavedNotebook(memory)
    wall = np.full((480, 640, 3), 200, np.uint8)
    wall[:, 400:] = 120
    notebook.remember("a wall", "", as_frame(wall))
    with pytest.raises(UsageError, match="too little in view"):
        notebook.seen_before(as_frame(wall))
    with pytest.raises(UsageError, match="too dark"):
        notebook.seen_before(as_frame((thing(1) * 0.1).astype(np.uint8)))


def test_the_models_vector_chooses_what_is_compared_and_never_decides(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = np.array([1, 0.1], np.float32), np.array([-1, 0.2], np.float32)
    wanted = find_landmarks(thing(1))
    memory.remember("same thing, far vector", "", far, picture_model="m", landmarks=wanted)
    for seed in (2, 3):
        other = find_landmarks(thing(seed))
        memory.remember("other thing, same vector", "", near, picture_model="m", landmarks=other)

    def names(embedding: NDArray[np.float32] | None) -> list[str]:
        found = memory.search_picture(wanted, embedding, picture_model="m")
        return [hit.name for hit in found]

    assert names(near) == names(None) == ["same thing, far vector"]
    monkeypatch.setattr(memory_search, "MOST_COMPARED", 1)
    assert names(near) == [] and names(far) == ["same thing, far vector"]
    (hit,) = memory.search_picture(wanted, far, picture_model="m")
    assert hit.found_by is FoundBy.PICTURE and hit.score >= LEAST_FITTING
    # Vectors of another model, or of another length, say nothing about the order.
    assert memory.search_picture(wanted, far, picture_model="n") == []
    assert memory.search_picture(wanted, np.ones(3, np.float32), picture_model="m") == []


def test_memories_of_the_version_before_stay_and_can_know_pictures(
    memory: Memory, tmp_path: Path
) -> None:
    memory.remember("old", "text")
    file = memory_file.EncryptedFile(tmp_path / "memory", PassphraseKey("correct horse battery"))
    with file.open() as connection:
        connection.executescript(
            "ALTER TABLE things DROP COLUMN landmarks; PRAGMA user_version = 1;"
        )
    file.close()
    memory.close()
    assert [hit.name for hit in memory.search("text")] == ["old"]
    landmarks = find_landmarks(thing(1))
    memory.remember("new", "", landmarks=landmarks)
    assert [hit.name for hit in memory.search_picture(landmarks)] == ["new"]
    with file.open() as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    assert version == memory_file.SCHEMA_VERSION == 2


def test_corners_are_stored_without_loss_that_matters() -> None:
    landmarks = find_landmarks(thing(4))
    stored = landmarks.to_bytes()
    assert len(stored) == 36 * len(landmarks.places) <= 36 * 400
    again = Landmarks.from_bytes(stored)
    assert np.abs(again.places - landmarks.places).max() <= 0.5
    np.testing.assert_array_equal(again.codes, landmarks.codes)
    assert fitting(landmarks, again) > 50
    with pytest.raises(ValueError, match="size"):
        Landmarks.from_bytes(stored[:-1])


@pytest.mark.slow
def test_photographs_are_told_apart(data_dir: Path) -> None:
    folder = data_dir / "vision"
    names = ("darknet/dog.jpg", "darknet/eagle.jpg", "qwen_vl/demo.jpeg", "sroie/004.jpg")
    pictures = [load_picture(folder / name) for name in names]
    kept = [find_landmarks(rgb) for rgb in pictures]
    for number, rgb in enumerate(pictures):
        again = find_landmarks(taken_again(rgb, zoom=1.2, degrees=8, light=0.6, seed=number))
        fits = [fitting(again, other) for other in kept]
        assert fits[number] >= 2 * LEAST_FITTING
        assert max(fits[:number] + fits[number + 1 :]) < LEAST_FITTING
