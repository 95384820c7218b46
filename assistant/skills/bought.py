"""What was bought: the entries of a receipt or an order, as they stand."""

import re

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.skills import quote
from assistant.skills.goods import end_of_goods
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import MOST_NAMED, ended, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.goods import add_up
from assistant.text.lists import entries

_BUY = r"(?:order|buy|purchase|get|pay for|eat|drink)"
_BOUGHT = r"(?:ordered|bought|purchased|paid for|got|had|eaten)"
_THINGS = r"(?:things?|items?|goods|products?|articles?|groceries|food)"
_WHAT = rf"(?:so |and )*(?:what|which)(?: {_THINGS})?"
_WE = r"(?:i|we|they|she|he)"
_END = r"(?: here| today| there| all)?(?: please)?"


class Bought:
    """Each entry with its figures."""

    name = "bought"
    wordings = (
        Wording(
            typed=(
                rf"^{_WHAT} (?:did|do) {_WE} (?:just |all |actually )?{_BUY}{_END}$"
                rf"|^{_WHAT} (?:have|has|had) {_WE} (?:just |all )?{_BOUGHT}{_END}$"
                rf"|^{_WHAT} (?:was|were|is|are) (?:bought|ordered|purchased){_END}$"
                rf"|^{_WHAT} (?:was|is|were) (?:in|on) (?:the|my|our|this) (?:order|receipt|bill"
                rf"|basket|shopping){_END}$"
                rf"|^(?:read |list |tell )(?:me )?(?:all )?(?:the |my )?{_THINGS}"
                rf"(?: (?:i bought|i ordered|on (?:it|this|the \w+)))?{_END}$"
            ),
        ),
    )
    traits = Traits(rank=23, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The entries; where the text lists none, the best places."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        end = end_of_goods(page)
        told = entries(page, "item", "", end)
        told = [each for each in told if re.search(r"[^\W\d_]", each.text)]
        if not told:
            return quote.SKILL.find(asked, scene)
        found = tuple(Found(" ".join(e.text.split()), None, e.lines) for e in told[:MOST_NAMED])
        more = (Note(NoteKind.MORE),) if len(told) > MOST_NAMED else ()
        # That nothing is missing, and each has its own figures, the sum below them proves.
        basis = ground_read(found) if add_up(page, told, end) else Basis.GUESS
        return Answer(self.name, found, basis, more)

    def say(self, answer: Answer, detail: Detail) -> str:
        """One entry behind the other."""
        if not answer.found:
            return ""
        return ended(listed(answer) if detail is Detail.SHORT else f"I read: {listed(answer)}")


SKILL = Bought()
