"""How much of a medicine to take, as its label says."""

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills.quoting import TURN_PACKAGE, as_read, in_sentence, listed, not_found, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_doses


class Dose:
    """Instructions of use, then strengths; read out, never advised."""

    name = "dose"
    wordings = (
        Wording(
            heard="<is> the (dose | dosage | strength) [of this]",
            typed=(
                r"\bdos(?:e|age|es)\b|\bstrength\b|\bhow strong\b|\bdo i take\b"
                r"|\bshould i take\b|\bhow many milligrams"
            ),
        ),
        Wording(heard="how (many | much) [of this] (should | do) i take"),
        Wording(heard="how (many (pills | tablets) | often) (should | do) i take"),
    )
    traits = Traits(rank=34, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What the label says."""
        read = rows(asked, scene)
        if not read:
            return None
        doses = find_doses(read)
        return as_read(self.name, doses) if doses else not_found(self.name, "dose")

    def say(self, answer: Answer, detail: Detail) -> str:
        """The label's words, and that nobody has checked them; in short, too."""
        if answer.found and detail is Detail.SHORT:
            return f"{listed(answer)}. I cannot check it."
        sentence = "The label says, and I cannot check it: {}."
        return in_sentence(answer, detail, sentence, missing=TURN_PACKAGE)


SKILL = Dose()
