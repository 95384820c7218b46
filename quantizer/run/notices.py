"""What the licences of a source model ask of everything derived from it, and who can read it.

CogVLM2 is built on Meta Llama 3. Its own licence and Llama 3's ask for their texts in every copy;
Llama 3's asks for a notice file and a sentence besides. Source: section 1.b of the Meta Llama 3
Community License and sections 2 and 7 of the CogVLM License; both lie in ``quantizer/licences``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from models.families import OpenedModel

NOTICE_FILE = "NOTICE"
README_FILE = "README.md"

_LLAMA3_WORDS, _LLAMA3_BOS = 128256, 128000
_COGVLM2 = "cogvlm2"
_HEADING = "## About this quantized copy"


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence that an output is under.

    title:    the words by which its text is known in a source folder's files.
    text:     file of ours that holds it; None where we have no copy.
    notice:   what the notice file must say, empty where it need say nothing.
    built_with: what must be shown to people.
    """

    title: str
    text: str | None
    notice: str = ""
    built_with: str = ""


_LLAMA_3 = Licence(
    "META LLAMA 3 COMMUNITY LICENSE",
    "LLAMA3_LICENSE.txt",
    "Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright © Meta "
    "Platforms, Inc. All Rights Reserved.",
    "Built with Meta Llama 3",
)
_LLAMA_3_1 = Licence(
    "LLAMA 3.1 COMMUNITY LICENSE",
    None,
    "Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright © Meta Platforms, "
    "Inc. All Rights Reserved.",
    "Built with Llama",
)
_COGVLM = Licence("The CogVLM License", "COGVLM2_MODEL_LICENSE.txt")


def licences_of(family: str, config: Mapping[str, Any]) -> tuple[Licence, ...]:
    """The licences that a model is known by its sizes to be under.

    Llama 3 is told by its vocabulary; versions from 3.1 on scale their rotary frequencies.
    """
    words, bos = config.get("vocab_size"), config.get("bos_token_id", _LLAMA3_BOS)
    if words != _LLAMA3_WORDS or bos != _LLAMA3_BOS:
        return ()
    if family == _COGVLM2:
        return (_COGVLM, _LLAMA_3)
    if family == "llama":
        return (_LLAMA_3_1 if config.get("rope_scaling") else _LLAMA_3,)
    return ()


def statements(opened: OpenedModel, form: str) -> list[str]:
    """What people must be told of an output; empty for most models."""
    told = [one.built_with for one in _licences(opened) if one.built_with]
    if opened.family.name == _COGVLM2:
        told.append(
            f"This is CogVLM2 in {form} form. At the time of writing no other program loads "
            "CogVLM2 so; `assistant` and `quantizer eval` do."
        )
    return told


def missing_texts(opened: OpenedModel) -> list[str]:
    """What a person must add before the output may be passed on."""
    return [
        f"{opened.folder}: holds no text of the {one.title}, which must go with every copy; "
        "add it to the output before you pass it on"
        for one in _licences(opened)
        if one.text is None and not _has_text(opened.folder, one)
    ]


def write_notices(opened: OpenedModel, target: Path, form: str) -> None:
    """Add licence texts, the notice file and a section of README.md to an output folder.

    What was copied from the source is kept; only what it lacks is added.

    Raises:
        OSError: a file cannot be written.
    """
    licences = _licences(opened)
    for one in licences:
        if one.text is not None and not _has_text(target, one):
            (target / one.text).write_text(_own_text(one.text), encoding="utf-8")
    notices = [one.notice for one in licences if one.notice]
    if notices:
        _append(target / NOTICE_FILE, "\n".join(notices))
    told = statements(opened, form)
    if told:
        _append(target / README_FILE, "\n\n".join((_HEADING, *told)))


def _licences(opened: OpenedModel) -> tuple[Licence, ...]:
    return licences_of(opened.family.name, opened.config)


def _has_text(folder: Path, licence: Licence) -> bool:
    """Whether one of a folder's own licence files is the licence."""
    for path in folder.iterdir():
        if "LICENSE" in path.name.upper() and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if licence.title.lower() in text.lower():
                return True
    return False


def _own_text(name: str) -> str:
    return (resources.files("quantizer") / "licences" / name).read_text("utf-8")


def _append(path: Path, text: str) -> None:
    """Add text to a file once, behind what it says already."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if text not in before:
        parts = (before.rstrip(), text) if before.strip() else (text,)
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
