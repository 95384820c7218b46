"""What the licences of a source model ask of everything derived from it, and who can read it.

Source for Llama 3: section 1.b of the Meta Llama 3 Community License, which lies in ``licences``
beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LICENCE_TEXTS = Path(__file__).parent / "licences"

_LLAMA_3_WORDS, _LLAMA_3_BOS = 128256, 128000


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence that an output is under.

    title:      the words by which its text is known in a source folder's files.
    text:       a file with it, which outputs get under the same name; None where we have none.
    notice:     what the notice file must say, empty where it need say nothing.
    built_with: what must be shown to people, empty where nothing must.
    """

    title: str
    text: Path | None
    notice: str = ""
    built_with: str = ""


class Terms(Protocol):
    """What goes with every quantized copy of a family's models."""

    def licences(self, config: Mapping[str, Any]) -> tuple[Licence, ...]:
        """The licences that a model is known by its config.json to be under."""
        ...

    def remarks(self, form: str) -> tuple[str, ...]:
        """What people must know of a copy in an output format, such as who can read it."""
        ...


class NoTerms:
    """Nothing is known that must go with a copy beyond the source folder's own files."""

    def licences(self, config: Mapping[str, Any]) -> tuple[Licence, ...]:
        """None is known."""
        return ()

    def remarks(self, form: str) -> tuple[str, ...]:
        """Nothing need be said."""
        return ()


class LlamaTerms(NoTerms):
    """Llama 3 and what its makers built on it; other LLaMA models bring their own files."""

    def licences(self, config: Mapping[str, Any]) -> tuple[Licence, ...]:
        """Versions from 3.1 on scale their rotary frequencies."""
        if not is_llama_3(config):
            return ()
        return (LLAMA_3_1 if config.get("rope_scaling") else LLAMA_3,)


def is_llama_3(config: Mapping[str, Any]) -> bool:
    """Tell Llama 3, and what is built on it, by its vocabulary."""
    words, bos = config.get("vocab_size"), config.get("bos_token_id", _LLAMA_3_BOS)
    return bool(words == _LLAMA_3_WORDS and bos == _LLAMA_3_BOS)


LLAMA_3 = Licence(
    "META LLAMA 3 COMMUNITY LICENSE",
    LICENCE_TEXTS / "LLAMA3_LICENSE.txt",
    "Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright © Meta "
    "Platforms, Inc. All Rights Reserved.",
    "Built with Meta Llama 3",
)
LLAMA_3_1 = Licence(
    "LLAMA 3.1 COMMUNITY LICENSE",
    None,
    "Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright © Meta Platforms, "
    "Inc. All Rights Reserved.",
    "Built with Llama",
)
