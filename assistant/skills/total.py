"""The amount to pay."""

from assistant.answers import Answer, Detail, NoteKind
from assistant.seeing.scene import Scene
from assistant.skills.quoting import as_read, in_sentence, listed, not_found, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_total

WAY_OUT = "Ask me to read the text, or show the whole receipt."


class Total:
    """Of the best label the last amount."""

    name = "total"
    wordings = (
        Wording(
            heard="<is> the (total | sum | amount) [of this | of the bill | on the receipt]",
            typed=(
                r"\btotal\b|\bsum\b(?! (?:it |this |that )?up)|\bhave to pay\b|\bdid i pay\b"
                r"|\bamount\b|\bthe bill\b|\bcomes? to\b|\baltogether\b"
            ),
        ),
        Wording(heard="<is> the total (amount | price | cost)"),
        Wording(heard="how much (is the total | do i have to pay)"),
    )
    traits = Traits(rank=36, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The total; a subtotal where there is nothing else, and then called so."""
        read = rows(asked, scene)
        if not read:
            return None
        total = find_total(read)
        return not_found(self.name, "total") if total is None else as_read(self.name, [total])

    def say(self, answer: Answer, detail: Detail) -> str:
        """The amount, or that there is none."""
        if answer.note(NoteKind.SUBTOTAL):
            # Also in short: a subtotal is not what is to be paid.
            return f"The subtotal is {listed(answer)}; I find no total."
        return in_sentence(answer, detail, "The total is {}.", missing=WAY_OUT)


SKILL = Total()
