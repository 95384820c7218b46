"""What something costs."""

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills import total
from assistant.skills.quoting import as_read, different, in_sentence, not_found, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_price, find_total


class Price:
    """The amount behind a price label, else the total, else every amount."""

    name = "price"
    wordings = (
        Wording(
            heard="<is> the (price | cost) [of this | of the bill | on the receipt]",
            typed=r"\bprice\b|\bcosts?\b|\bhow much (?:is|are|for)\b",
        ),
        Wording(heard="how much (does (this | it) cost | is (this | it))"),
    )
    traits = Traits(rank=38, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The price; of a receipt the total, and then called so."""
        read = rows(asked, scene)
        if not read:
            return None
        prices = different(find_price(read))
        if not prices:
            return not_found(self.name, "price")
        if prices == [find_total(read)]:
            return total.SKILL.find(asked, scene)
        return as_read(self.name, prices)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The price, or several amounts."""
        return in_sentence(
            answer,
            detail,
            "The price is {}.",
            "I read several amounts: {}.",
            missing="Ask me to read the text, or show the price tag.",
        )


SKILL = Price()
