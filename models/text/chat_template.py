"""How a model wants to be asked: the chat template of its folder, filled in.

A model that was trained on turns answers a bare prompt with its end mark, or goes on writing the
question. Which marks stand around a turn only its folder says: in ``chat_template.jinja``, in
``chat_template`` of tokenizer_config.json, or, of older tools, in ``chat_template.json``. Templates
are programs of strangers; Transformers runs them in Jinja's sandbox.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ModelFolderError
from models.files.bounded import read_text
from models.files.checkpoint import read_json
from models.plain_text import beginning

TEMPLATE_FILE = "chat_template.jinja"
OLD_TEMPLATE_FILE = "chat_template.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"

MOST_BYTES = 1024**2
"""Of a template; the longest published ones have 20,000."""

_PIECES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; role: system, user or assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A folder's template; pieces: the special tokens that it may name."""

    source: str
    path: Path
    pieces: Mapping[str, str] = field(default_factory=dict)

    def prompt(self, turns: Sequence[Turn]) -> str:
        """The turns, and the beginning of the answer, as the model reads them.

        A model that knows no system turn gets its words in front of the first question. One that
        can think aloud first is asked not to: nobody hears that.

        Raises:
            ModelFolderError: the template fails.
        """
        try:
            return self._filled(turns)
        except ModelFolderError:
            if len(turns) < 2 or turns[0].role != "system":
                raise
            told = Turn(turns[1].role, f"{turns[0].text}\n\n{turns[1].text}")
            return self._filled((told, *turns[2:]))

    def whole(self, turns: Sequence[Turn]) -> str:
        """A finished conversation, as the model was trained on it.

        Raises:
            ModelFolderError: the template fails.
        """
        return self._filled(turns, answered=True)

    def _filled(self, turns: Sequence[Turn], *, answered: bool = False) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        named: dict[str, Any] = {"enable_thinking": False, **self.pieces}
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        try:
            filled: Any = render_jinja_template(
                conversations=[messages],
                chat_template=self.source,
                add_generation_prompt=not answered,
                **named,
            )
        except Exception as error:  # a template is a program, and may raise what it likes
            reason = beginning((str(error) or type(error).__name__).splitlines()[0])
            raise ModelFolderError(
                f"{self.path}: the chat template cannot be filled in ({reason}): restore the file"
            ) from error
        return str(filled[0][0])


def read_chat_template(folder: Path) -> ChatTemplate | None:
    """The chat template of a model folder; None where it has none.

    Raises:
        ModelFolderError: a file of the folder is damaged.
    """
    config_path = folder / TOKENIZER_CONFIG_FILE
    config = read_json(config_path) if config_path.is_file() else {}
    pieces = _pieces(config)
    path = folder / TEMPLATE_FILE
    if path.is_file():
        try:
            return ChatTemplate(read_text(path, MOST_BYTES), path, pieces)
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{path} cannot be read ({error}): copy it again") from error
    named, path = config.get("chat_template"), config_path
    if named is None and (folder / OLD_TEMPLATE_FILE).is_file():
        path = folder / OLD_TEMPLATE_FILE
        named = read_json(path).get("chat_template")
    source = _default(named)
    if named is not None and source is None:
        raise ModelFolderError(f"{path} has no usable chat_template: restore the file")
    return None if source is None else ChatTemplate(source, path, pieces)


def special_pieces(folder: Path) -> dict[str, str]:
    """The special tokens that tokenizer_config.json names, by ``bos_token`` and so on.

    Raises:
        ModelFolderError: the file is damaged.
    """
    path = folder / TOKENIZER_CONFIG_FILE
    return _pieces(read_json(path)) if path.is_file() else {}


def _pieces(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name in _PIECES if (text := _piece(config.get(name))) is not None}


def _default(named: Any) -> str | None:
    """The template itself, or of several with names the one that is called default."""
    if isinstance(named, str):
        return named
    for each in named if isinstance(named, list) else ():
        if isinstance(each, dict) and each.get("name") == "default":
            template = each.get("template")
            return template if isinstance(template, str) else None
    return None


def _piece(value: Any) -> str | None:
    """A special token, which stands as its text or as an object that holds it."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None
