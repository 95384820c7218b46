"""Asking a model about pictures, each of which it looks at once for neighbouring questions."""

from pathlib import Path

from models.generate import PictureChat, SceneHandle
from models.loading import LoadedModel
from models.pictures import load_picture

_MOST_ANSWER_TOKENS = 72


class Asker:
    """Gives a model's greedy answers.

    Raises:
        ModelFolderError: the model cannot look at pictures.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._chat = PictureChat(loaded)
        self._seen: tuple[Path, SceneHandle] | None = None

    def answer(self, picture: Path, question: str) -> str:
        """The answer to one question, of at most 72 tokens, without spaces at its ends.

        Raises:
            PictureError: the picture is missing, damaged or no picture.
            PromptError: the question is empty or longer than the model's context.
        """
        if self._seen is None or self._seen[0] != picture:
            self._seen = (picture, self._chat.look(load_picture(picture)))
        tokens = self._chat.answer(self._seen[1], question, max_new_tokens=_MOST_ANSWER_TOKENS)
        return "".join(token.text for token in tokens).strip()
