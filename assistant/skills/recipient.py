"""Whom something is for: the name on a letter, a parcel, a ticket, a prescription."""

import re

from assistant.answers import Answer, Detail, Found
from assistant.skills import quote
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import READ_TEXT, in_sentence, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.letters import recipient

_THIS = r"(?:it|this|that|(?:the|this|that) \w+(?: \w+)?)"


class Recipient:
    """Behind a label such as "To", at the head of an address, or behind "Dear"."""

    name = "recipient"
    wordings = (
        Wording(
            heard="who is (this | it | the letter) (for | to)",
            typed=(
                rf"\bwho (?:is|was) {_THIS} (?:for|to|addressed to|meant for|going to)$"
                r"|\bwho (?:is|was) (?:it|this|that) (?:addressed )?(?:for|to)\b"
                rf"|\bwho does {_THIS} (?:go|belong) to\b|\brecipients?\b|\baddressee\b"
                r"|\bwhose (?:\w+ ){0,2}(?:is (?:it|this|that)|this is)\b|^whose \w+(?: \w+)?$"
                r"|\bwho(?:se| is) (?:boarding )?(?:pass|ticket|card|letter|bill|parcel) (?:is"
                r"|are|this)\b"
                r"|\bis (?:it|this|that)(?: \w+)? (?:for|addressed to|to) (?:me|us|my \w+)\b"
                r"|\bis (?:it|this|that) (?:mine|ours|my (?:letter|parcel|ticket|post|mail|bill))\b"
                r"|\baddress (?:it|this|that) (?:goes|is going|is being sent) to\b"
                r"|\b(?:passenger|patient)(?:'s)? name\b"
            ),
        ),
    )
    traits = Traits(rank=47, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The name; with its address where that is asked for."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        found = recipient(page)
        if found is None:
            quoted = quote.SKILL.find(asked, scene)
            known = quoted is not None and quoted.found
            return quoted if known else not_found(self.name, "name of whom it is for")
        text = " ".join(found.text.split())
        whole = re.search(
            r"\baddress(?! ?ed\b)|\bpost ?code\b|\bzip\b|\bwhere\b|\btown\b", asked.words
        )
        if len(found.rows) > 1 and not whole:
            text = page.rows[found.rows[0]].text
        told = (Found(text, None, found.lines),)
        return Answer(self.name, told, ground_read(told))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The name as it stands."""
        return in_sentence(answer, detail, "It is for: {}.", missing=READ_TEXT)


SKILL = Recipient()
