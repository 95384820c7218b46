"""Texts to calibrate with, and texts that only judge: a public set, the user's own, or ours."""

import gzip
import json
import pydoc_data.topics
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import DownloadError
from assistant.models_store import hub
from assistant.models_store.downloads import Progress, Wanted, fetch
from models.files.bounded import json_lines, parse_json
from models.offline import chosen_offline
from models.text.chat_template import read_chat_template
from quantizer.calibration.texts import read_documents
from quantizing.errors import NotDone

CHARACTERS = 6
"""Of English a token at most, on average; so many are taken for each token that is wanted."""

WINDOWS = 16
"""Sequences that judge."""

MOST_CHARACTERS = 32_000_000
"""Read of the public set, ten times what 128 sequences take."""

HELD_OUT = 10
"""Every tenth document judges."""

SUFFIXES = (".txt", ".md", ".jsonl", ".json", ".csv")

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class PublicTexts:
    """One file of a public set on the hub, lines of JSON with `text`, packed by gzip.

    most_bytes: more is never fetched.
    """

    title: str
    licence: str
    repository: str
    revision: str
    file: str
    most_bytes: int

    @property
    def address(self) -> str:
        """Where the file is."""
        return (
            f"{hub.USUAL_ENDPOINT}/datasets/{self.repository}/resolve/{self.revision}/{self.file}"
        )


C4 = PublicTexts(
    title="C4, English web pages, the first part of its validation split",
    licence="ODC-BY, and Common Crawl's terms of use; https://huggingface.co/datasets/allenai/c4",
    repository="allenai/c4",
    revision="1588ec454efa1a09f29cd18ddd04fe05fc8653a2",
    file="en/c4-validation.00000-of-00008.json.gz",
    most_bytes=200_000_000,
)
"""The set that the papers calibrate language models with."""


def public_documents(scratch: Path, tell: Callable[[str], None], progress: Progress) -> list[str]:
    """The documents of the public set, in its order; what was fetched is removed again.

    Raises:
        DownloadError: it cannot be fetched; a part that came is kept for the next time.
        NotDone: what came cannot be read.
    """
    name = chosen_offline()
    if name:
        raise DownloadError(f"{name} is set", "unset it to fetch texts")
    packed = scratch / "public.json.gz"
    if not packed.exists():
        tell(f"Fetching texts to calibrate with: {C4.title}. Licence: {C4.licence}")
        fetch(Wanted(C4.address, most_bytes=C4.most_bytes), packed, progress)
    try:
        with gzip.open(packed, "rt", encoding="utf-8") as lines:
            text = lines.read(MOST_CHARACTERS)
        whole = text[: text.rfind("\n") + 1]
        found = [parse_json(line)["text"] for _, line in json_lines(whole)]
        documents = [str(one) for one in found if str(one).strip()]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        packed.unlink()
        raise NotDone(
            f"{C4.address}: what came holds no texts ({error})", "try again later"
        ) from error
    packed.unlink()
    return documents


def own_documents(path: Path, model: Path) -> list[str]:
    """The documents of the user's file, or of every text file below the user's folder.

    model: the model's folder, whose chat template records of messages need.

    Raises:
        NotDone: the folder has no text in it.
        DataError: a file cannot be read.
    """

    def read(file: Path) -> list[str]:
        return read_documents(file, lambda: read_chat_template(model))

    return [document for file in find_texts(path) for document in read(file)]


def find_texts(path: Path) -> list[Path]:
    """The user's file, or every text file below the user's folder.

    Raises:
        NotDone: there is none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    found = [file for file in files if file.is_file()]
    if not found:
        raise NotDone(
            f"{path}: holds no texts ({', '.join(SUFFIXES)})", "give another --calibration"
        )
    return found


def our_documents() -> list[str]:
    """What every installation has: this project's documents and those of Python."""
    files = sorted(
        file
        for place in (_ROOT, _ROOT / "assistant", _ROOT / "quantizer", _ROOT / "models")
        for file in place.glob("*.md")
    )
    ours = (file.read_text(encoding="utf-8") for file in files)
    pythons = (text for _, text in sorted(pydoc_data.topics.topics.items()))
    parts = (part.strip() for text in (*pythons, *ours) for part in text.split("\n\n\n"))
    return [part for part in parts if part]


def split(documents: list[str]) -> tuple[list[str], list[str]]:
    """Those that fit, and every tenth, which judges; one document alone is cut.

    Raises:
        NotDone: there is too little of it to keep some out.
    """
    if len(documents) == 1:
        cut = documents[0].rfind(" ", 0, len(documents[0]) * (HELD_OUT - 1) // HELD_OUT)
        documents = [documents[0][:cut]] * (cut > 0) + [documents[0][max(cut, 0) :]]
        if len(documents) == 1:
            raise NotDone("one word is too little to calibrate with", "give more text")
        return documents[:1], documents[1:]
    every = min(HELD_OUT, len(documents))
    judging = documents[every - 1 :: every]
    return [each for n, each in enumerate(documents) if (n + 1) % every], judging


def write(path: Path, documents: Iterable[str], characters: int) -> int:
    """Write documents as lines of JSON until there are so many characters; return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for document in _until(documents, characters):
            file.write(json.dumps({"text": document}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _until(documents: Iterable[str], characters: int) -> Iterator[str]:
    for document in documents:
        if characters <= 0:
            return
        characters -= len(document)
        yield document
