"""How light it is, and where a lamp or a window may be."""

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.light import LightLevel, light_level
from assistant.skills.scene import Scene
from assistant.skills.skill import EVERY_CAUSE, Asked, Traits
from assistant.skills.wording import Wording


class Light:
    """From the pixels; darkness is an answer here, not a fault."""

    name = "light"
    wordings = (
        Wording(
            heard="is (the light | a light) on",
            typed=(
                r"\b(?:is|are) (?:the|a|any) (?:room )?(?:lights?|lamps?) (?:still )?(?:on|off)\b"
                r"|\bhow (?:bright|dark)\b"
                r"|\bis it (?:still )?(?:dark|bright|light)\b|\b(?:light level|daylight)\b"
                r"|\b(?:is|are) (?:there|the) (?:any )?lights? on\b"
            ),
        ),
        Wording(heard="is it (dark | bright | light) [in here]"),
    )
    traits = Traits(rank=24, bears=EVERY_CAUSE)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The level in a word and from 0 to 100, and the brightest place."""
        level = light_level(scene.rgb)
        found = (Found(level.name, "level"), Found(str(level.percent), "of 100"))
        notes: tuple[Note, ...] = ()
        if level.brightest is not None:
            notes = (Note(NoteKind.BRIGHTEST, _direction(level, mirrored=scene.mirrored)),)
        elif level.percent == 0:
            notes = (Note(NoteKind.LENS_COVERED),)
        return Answer(self.name, found, Basis.SEEN, notes)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The level, then the place; in short the level alone."""
        if len(answer.found) != 2:
            return ""
        name, percent = answer.values
        covered = " Or the lens is covered." if answer.note(NoteKind.LENS_COVERED) else ""
        if detail is Detail.SHORT:
            return f"{name}, {percent} of 100.{covered}"
        brightest = answer.note(NoteKind.BRIGHTEST)
        place = (
            ""
            if brightest is None
            else f" The brightest place is {brightest.detail}: a lamp or a window."
        )
        return f"It is {name}, about {percent} of 100.{place}{covered}"


def _direction(level: LightLevel, *, mirrored: bool) -> str:
    assert level.brightest is not None
    x, y = level.brightest
    if mirrored:
        x = 1 - x
    across = "left" if x < 0.35 else "right" if x > 0.65 else ""
    down = "top" if y < 0.35 else "bottom" if y > 0.65 else ""
    where = " ".join(part for part in (down, across) if part)
    return f"at the {where}" if where else "in the middle"


SKILL = Light()
