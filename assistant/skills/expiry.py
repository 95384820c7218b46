"""Until when something is good."""

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills.quoting import (
    TURN_PACKAGE,
    as_read,
    different,
    in_sentence,
    not_found,
    rows,
)
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_expiry


class Expiry:
    """Dates behind an expiry label; no other date is taken for one."""

    name = "expiry"
    wordings = (
        Wording(
            heard="<is> the (expiry | expiration | best before | use by) date "
            "[on this | of this | here]",
            typed=(
                r"\bexpir|\bbest before|\buse by\b|\bstill good\b|\bgo(?:es)? off\b"
                r"|\buntil when\b"
            ),
        ),
        Wording(heard="when does (this | it | the milk | the food | the medicine) expire"),
        Wording(heard="(has | is) (this | it) expired"),
        Wording(heard="is (this | it) still good"),
    )
    traits = Traits(rank=26, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The expiry dates."""
        read = rows(asked, scene)
        if not read:
            return None
        dates = different(find_expiry(read))
        return as_read(self.name, dates) if dates else not_found(self.name, "expiry date")

    def say(self, answer: Answer, detail: Detail) -> str:
        """The dates as they stand."""
        return in_sentence(
            answer, detail, "The expiry date is {}.", "Expiry dates: {}.", missing=TURN_PACKAGE
        )


SKILL = Expiry()
