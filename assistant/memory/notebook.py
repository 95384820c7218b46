"""The memory as a session and a command use it: its place, its key, and pictures as vectors."""

import dataclasses
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import MemoryKeyError, UsageError
from assistant.frames import Frame
from assistant.memory.file import LOCK_NAME
from assistant.memory.keys import (
    KeyringKey,
    KeySource,
    PassphraseKey,
    keyring_trouble,
    read_lock,
)
from assistant.memory.search import FoundBy, Remembered, is_name
from assistant.memory.store import Memory
from assistant.seeing.landmarks import find_landmarks
from assistant.seeing.quality import SENTENCES, check_quality
from assistant.session.protocols import Kept
from assistant.settings.paths import data_folder

PASSPHRASE_VARIABLE = "SIGHTLINE_PASSPHRASE"

TOO_PLAIN = "I can't tell: there is too little in view to know it again. Show more of it."

REASONS = {
    None: "",
    FoundBy.WORDS: "Found by its words.",
    FoundBy.LETTERS: "Found by words that are spelt alike.",
    FoundBy.PICTURE: "Found by its picture: it looks the same.",
}
"""What a hit rests on, as it is said. Two sheets of one printed form look the same."""

MOST_KEPT = 1_000_000
"""Things of a listing: all."""

AskPassphrase = Callable[[bool], str]
"""Asks the user for the passphrase; True means that it is a new one."""

Embed = Callable[[Frame], NDArray[np.float32] | None]
"""The picture embedding of the model in use, or None while no model is loaded."""


def memory_folder() -> Path:
    """The folder of what the user saved."""
    return data_folder() / "memory"


def find_key(folder: Path, ask: AskPassphrase | None = None) -> KeySource:
    """Choose where the key comes from: as the memory was locked, else the keyring, else a
    passphrase.

    ask: None where nobody can be asked; then only the variable SIGHTLINE_PASSPHRASE counts.

    Raises:
        MemoryKeyError: a passphrase is needed and there is none.
        MemoryStoreError: the lock of the memory is damaged.
    """
    lock = read_lock(folder / LOCK_NAME)
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if lock is not None and lock.kind == KeyringKey.kind:
        return KeyringKey()
    trouble = None
    if lock is None and not given:
        trouble = keyring_trouble()
        if trouble is None:
            return KeyringKey()
    if given:
        return PassphraseKey(given)
    if ask is None:
        cause = trouble.cause if trouble else "what was saved is locked with a passphrase"
        raise MemoryKeyError(cause, f"give a passphrase in the variable {PASSPHRASE_VARIABLE}")
    return PassphraseKey(ask(lock is None))


class SavedNotebook:
    """A `Notebook` over the memory; called by one thread, the session's worker."""

    def __init__(self, memory: Memory, embed: Embed | None = None, *, model: str = "") -> None:
        """Take an enabled memory.

        embed: gives the picture's vector; model: the name of the model whose vector it is.
        """
        self._memory = memory
        self._embed = embed
        self._model = model

    def remember(self, name: str, text: str, frame: Frame | None) -> None:
        """Save a text under a name, with corners of the picture; never the picture itself."""
        corners = None if frame is None else find_landmarks(frame.rgb)
        self._memory.remember(
            name, text, self._vector(frame), picture_model=self._model, landmarks=corners
        )

    def everything(self) -> list[Kept]:
        """All that was saved, latest first."""
        return [_kept(thing) for thing in self._memory.latest(most=MOST_KEPT)]

    def search(self, query: str) -> list[Kept]:
        """What fits a question, best first."""
        return [_kept(thing) for thing in self._memory.search(query)]

    def named(self, name: str) -> list[Kept]:
        """What was saved under a name, with its whole text, latest first; [] if nothing was."""
        same = [each for each in self._memory.latest(most=MOST_KEPT) if is_name(name, each.name)]
        return [dataclasses.replace(_kept(each), text=each.text) for each in same]

    def seen_before(self, frame: Frame) -> list[Kept]:
        """What was saved of the same picture, best first.

        Raises:
            UsageError: too little can be seen in the frame to know it again; names the way out.
        """
        cause = check_quality(frame.rgb)
        if cause is not None:
            raise UsageError(SENTENCES[cause])
        corners = find_landmarks(frame.rgb)
        if not corners.are_enough:
            raise UsageError(TOO_PLAIN)
        found = self._memory.search_picture(corners, self._vector(frame), picture_model=self._model)
        return [_kept(thing) for thing in found]

    def forget(self, number: int) -> None:
        """Delete one thing."""
        self._memory.forget(number)

    def forget_all(self) -> None:
        """Delete everything, and its key."""
        self._memory.forget_all()

    def _vector(self, frame: Frame | None) -> NDArray[np.float32] | None:
        return None if frame is None or self._embed is None else self._embed(frame)


def _kept(thing: Remembered) -> Kept:
    day = day_in_words(thing.saved_at)
    return Kept(thing.id, thing.name, thing.said, REASONS[thing.found_by], day)


def day_in_words(saved_at: datetime) -> str:
    """A time as the day that it is here, such as "3 May 2026"."""
    here = saved_at.astimezone()
    return f"{here.day} {here.strftime('%B %Y')}"


def open_notebook(
    ask: AskPassphrase | None = None, embed: Embed | None = None, *, model: str = ""
) -> SavedNotebook:
    """The notebook of this user, for a session whose settings have switched history on.

    embed, model: as for `SavedNotebook`.

    Raises:
        MemoryKeyError: there is no key, or the wrong one; told at the start, not at first use.
        MemoryStoreError: what was saved is damaged.
    """
    folder = memory_folder()
    memory = Memory(folder, find_key(folder, ask), enabled=True)
    memory.latest(most=1)
    return SavedNotebook(memory, embed, model=model)
