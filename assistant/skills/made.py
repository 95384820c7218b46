"""When something was made or packed."""

from assistant.answers import Answer, Detail
from assistant.skills.dating import LABELS, MOST_DATES, as_dates
from assistant.skills.quoting import TURN_PACKAGE, in_sentence, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.date_roles import dated
from assistant.text.tokens import Kind


class Made:
    """Dates behind a label of production."""

    name = "made"
    wordings = (
        Wording(
            typed=(
                r"\bwhen (?:was|were) (?:it|this|they|these|the \w+) (?:made|produced|packed|"
                r"printed|manufactured|baked|bottled)\b"
                r"|\b(?:production|manufactur\w+|packing) date\b"
            ),
        ),
    )
    traits = Traits(rank=27, text=True, gives=frozenset({Kind.DATE}))

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The dates."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        dates = [each for each in dated(page, LABELS) if each.role == "production"]
        if not dates:
            return not_found(self.name, "date of production")
        return as_dates(self.name, dates[:MOST_DATES])

    def say(self, answer: Answer, detail: Detail) -> str:
        """The date as it stands."""
        return in_sentence(answer, detail, "It was made on {}.", missing=TURN_PACKAGE)


SKILL = Made()
