"""Prompts by a folder's own chat template, and its settings of pictures.

Templates are Jinja, which transformers renders in a sandbox of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.errors import ModelFolderError
from models.files.checkpoint import read_json

TEMPLATE_FILE = "chat_template.jinja"
_OTHER_FILES = ("chat_template.json", "processor_config.json", "tokenizer_config.json")
_PICTURE_FILES = ("preprocessor_config.json", "processor_config.json")
_MOST_BYTES = 200_000  # of a template; published ones have some thousands

Turn = tuple[str, str]
"""A question and its answer."""


def folder_template(folder: Path, default: str) -> str:
    """The chat template that a folder comes with; ``default`` where it has none.

    Raises:
        ModelFolderError: a file cannot be read, or a template is far too long.
    """
    path = folder / TEMPLATE_FILE
    found: Any = None
    if path.is_file():
        if path.stat().st_size > _MOST_BYTES:
            raise ModelFolderError(f"{path} is no chat template: restore the file")
        found = path.read_text(encoding="utf-8", errors="replace")
    for name in _OTHER_FILES:
        if found is None and (folder / name).is_file():
            found = read_json(folder / name).get("chat_template")
    if found is None:
        return default
    if not isinstance(found, str) or len(found) > _MOST_BYTES:
        raise ModelFolderError(f"{folder} has no usable chat template: restore its files")
    return found


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


def render(template: str, question: str, history: Sequence[Turn] = ()) -> str:
    """The prompt of a question about a picture, which stands in front of the first one.

    Raises:
        ModelFolderError: the template cannot be rendered.
    """
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    said = [*history, (question, "")]
    messages: list[dict[str, Any]] = []
    for asked, answered in said:
        picture = [] if messages else [{"type": "image"}]
        content = [*picture, {"type": "text", "text": asked}]
        messages.append({"role": "user", "content": content})
        answer = [{"type": "text", "text": answered}]
        messages.append({"role": "assistant", "content": answer})
    try:
        rendered: Any = render_jinja_template(
            [messages[:-1]], chat_template=template, add_generation_prompt=True
        )
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ModelFolderError(
            f"the folder's chat template cannot be used ({error}): restore the file"
        ) from error
    return str(rendered[0][0])  # of one conversation; what follows tells where answers stand


def plain(words: str, tokenizer: Tokenizer) -> str:
    """Words without any of the tokenizer's marks, which would end a turn or stand for a picture."""
    marks = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    for mark in sorted(marks, key=len, reverse=True):
        if mark.strip():
            words = words.replace(mark, " ")
    return words.strip()
