"""Prompts by a folder's own chat template, and its settings of pictures.

Templates are Jinja, which transformers renders in a sandbox of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.errors import ModelFolderError
from models.files.checkpoint import read_json
from models.plain_text import beginning
from models.text.chat_template import read_chat_template

_PICTURE_FILES = ("preprocessor_config.json", "processor_config.json")

Turn = tuple[str, str]
"""A question and its answer."""


def picture_settings(folder: Path) -> Mapping[str, Any]:
    """How a folder says that pictures are normalized: ``image_mean`` and ``image_std``.

    Raises:
        ModelFolderError: a file cannot be read, or one of them is no three numbers.
    """
    for name in _PICTURE_FILES:
        path = folder / name
        if not path.is_file():
            continue
        given = read_json(path)
        given = given.get("image_processor", given)
        if not isinstance(given, Mapping):
            continue
        wanted: dict[str, Any] = {
            key: given[key] for key in ("image_mean", "image_std") if key in given
        }
        for key, value in wanted.items():
            if not _three_numbers(value, least=0.0 if key == "image_mean" else 1e-6):
                raise ModelFolderError(f"{path}: {key} must be three numbers; restore the file")
        if wanted:
            return wanted
    return {}


def _three_numbers(value: object, *, least: float) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and least <= one <= 1
            for one in value
        )
    )


@dataclass(frozen=True, slots=True)
class PictureTemplate:
    """A chat template that takes pictures; pieces: the special tokens that it may name."""

    source: str
    pieces: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, default: str) -> "PictureTemplate":
        """That of a folder; ``default`` where it has none.

        Raises:
            ModelFolderError: a file of the folder is damaged.
        """
        found = read_chat_template(folder)
        return cls(default) if found is None else cls(found.source, found.pieces)

    def prompt(self, question: str, history: Sequence[Turn] = ()) -> str:
        """The prompt of a question about a picture, which stands in front of the first one.

        Raises:
            ModelFolderError: the template cannot be filled in.
        """
        from transformers.utils.chat_template_utils import render_jinja_template

        messages: list[dict[str, Any]] = []
        for asked, answered in (*history, (question, "")):
            picture = [] if messages else [{"type": "image"}]
            content = [*picture, {"type": "text", "text": asked}]
            messages.append({"role": "user", "content": content})
            answer = [{"type": "text", "text": answered}]
            messages.append({"role": "assistant", "content": answer})
        pieces: Any = dict(self.pieces)
        try:
            filled: Any = render_jinja_template(
                [messages[:-1]],
                chat_template=self.source,
                add_generation_prompt=True,
                enable_thinking=False,
                **pieces,
            )
        except Exception as error:  # a template is a program, and may raise what it likes
            reason = beginning((str(error) or type(error).__name__).splitlines()[0])
            raise ModelFolderError(
                f"the folder's chat template cannot be filled in ({reason}): restore the file"
            ) from error
        return str(filled[0][0])  # of one conversation; the rest tells where answers stand


def plain(words: str, tokenizer: Tokenizer) -> str:
    """Words without any of the tokenizer's marks, which would end a turn or stand for a picture."""
    marks = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    for mark in sorted(marks, key=len, reverse=True):
        if mark.strip():
            words = words.replace(mark, " ")
    return words.strip()
