"""What an answer is: data that skills find, that wording and speech render, that JSON prints.

No sentence stands here, and nobody reads one back: whoever wants to know what was answered looks
at the values, the basis and the notes.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from assistant.frames import Frame
from assistant.seeing.text import TextLine, Unread
from assistant.text.tokens import Kind


class Basis(enum.Enum):
    """What an answer rests on."""

    READ = "read"
    SEEN = "seen"
    GUESS = "guess"
    UNKNOWN = "unknown"


class Detail(enum.IntEnum):
    """How much is said; the setting `verbosity`."""

    SHORT = 0
    """The values only; doubts stay."""
    USUAL = 1
    FULL = 2
    """With the lines that were read, how sure they are, and the model."""


class NoteKind(enum.Enum):
    """What an answer says beside its values; what `Note.detail` holds stands behind each."""

    # Doubts about what was found.
    AMBIGUOUS = "ambiguous"
    """What of a date is open: "day", or "year" where that may be any part of it."""
    SUBTOTAL = "subtotal"
    NO_LABEL = "no_label"
    """A value of which nothing says what it is."""
    PAST = "past"
    """How long ago, such as "3 weeks"."""
    FUTURE = "future"
    """In how long, or "today"."""
    IMPOSSIBLE = "impossible"
    """A date that no calendar has."""
    HARD_TO_READ = "hard_to_read"
    """The recognizer doubts a line; of a whole page, how many, such as "2 of 40"."""
    UNVERIFIED = "unverified"
    """Medicine or money, and nothing in the text confirms it."""
    MORE = "more"
    """There is more than what is told."""
    UNREAD = "unread"
    """How many lines are still to be read."""
    MANY_COLOURS = "many_colours"
    COLOUR_DOUBT = "colour_doubt"
    """The value of a `seeing.color.Caveat`."""
    NOT_SURE_OF = "not_sure_of"
    """The thing that may be something else."""
    # What else is known of the picture.
    SOUGHT = "sought"
    """The words that were looked for."""
    BRIGHTEST = "brightest"
    """Where the brightest place is, such as "at the top left"."""
    LENS_COVERED = "lens_covered"
    CUT_OFF = "cut_off"
    """The edge: left, right, top or bottom."""
    LIGHT_HINT = "light_hint"
    FROM_BEFORE = "from_before"
    """It is about an older picture than what is in view."""
    MIRRORED = "mirrored"
    """The text is seen in a mirror, and was read flipped."""
    OTHER_WAY_UP = "other_way_up"
    """What a number says if it is upside down."""
    NOT_READ = "not_read"
    """Where text stands that could not be read, such as "at the bottom right"; "" if all over."""
    MARKS = "marks"
    """Letters that may have lost their marks, and what they may be, such as "L Ľ, D Ď"."""
    FOREIGN = "foreign"
    """The script of text that cannot be read, or ""; then, behind a bar, where it stands."""
    ANYWAY = "anyway"
    """The value of the `seeing.quality.Cause` that was overruled."""
    OF_FILE = "of_file"
    """It is about a picture file: no other view of it comes."""
    CAN = "can"
    """What this picture can be asked for; see `skills.way_on`."""
    # Asked again in another way.
    AGREED = "agreed"
    SAME_AGAIN = "same_again"
    ONE_LOOK = "one_look"
    # Why nothing is told.
    NOT_ABOUT = "not_about"
    """What the question was about, of which the text says nothing."""
    QUOTED = "quoted"
    """The value is a whole sentence, which says itself what it is about."""
    LINES = "lines"
    """How many lines could be read."""
    COUNTED = "counted"
    """The value is the number of entries that stand in its lines; it is printed nowhere."""
    NOT_FOUND = "not_found"
    """What was looked for."""
    SPOILT = "spoilt"
    """The value of a `seeing.quality.Cause`."""
    NO_TEXT = "no_text"
    LOOKS_BLANK = "looks_blank"
    NOT_PLAIN = "not_plain"
    NO_CODE = "no_code"
    CODE_IN_VIEW = "code_in_view"
    NO_MODEL = "no_model"
    """The reason, from whatever opens models."""
    RESTS_ON = "rests_on"
    """A model's words, each sentence of which stands in its lines; they are told beside it."""
    CHOSEN = "chosen"
    """The model that chose what is quoted, among the words of the text."""
    REFUSED = "refused"
    """The value of an `inference.pocket.Refusal`."""
    DECLINED = "declined"
    """The model itself found no answer."""
    EMPTY = "empty"
    """The model gave no word."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that an answer says beside its values; see `NoteKind` for `detail`."""

    kind: NoteKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One value that was found.

    value: the characters as printed; or a model's words, a colour, a level: then `lines` is empty.
    label: what stands before it on its line, as printed; of what is seen, what it is; or None.
    lines: the evidence.
    kind: what the value is, such as a telephone number; None for words, or where nobody knows.
    language: of what is printed, two letters; None where it does not show one.
    """

    value: str
    label: str | None = None
    lines: tuple[TextLine, ...] = ()
    kind: Kind | None = None
    language: str | None = field(default=None, compare=False)

    @property
    def confidence(self) -> float | None:
        """The least of its lines, 0 to 1; None where nothing was read."""
        return min((line.confidence for line in self.lines), default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, what it rests on, and what must be said beside it.

    skill: the name of the skill that says it.
    model:  the model whose words the values are, or that was asked in vain; None without one.
    unread: places of the picture whose text could not be read, where the answer depends on them.
    """

    skill: str
    found: tuple[Found, ...] = ()
    basis: Basis = Basis.UNKNOWN
    notes: tuple[Note, ...] = ()
    model: str | None = None
    unread: tuple[Unread, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The values alone."""
        return tuple(each.value for each in self.found)

    @property
    def evidence(self) -> tuple[TextLine, ...]:
        """All lines that the values were read from, each once."""
        return tuple(dict.fromkeys(line for each in self.found for line in each.lines))

    def note(self, kind: NoteKind) -> Note | None:
        """The first note of a kind, or None."""
        return next((note for note in self.notes if note.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Said:
    """Some characters of what is said, and how they are to be spoken.

    language: two letters; None for the user's own, and for print that does not show its language.
    kind:     what they are as a whole, such as an amount of money; None for words.
    quoted:   whether they are printed in the picture; else they are words of Sightline's own.
    """

    text: str
    language: str | None = None
    kind: Kind | None = None
    quoted: bool = False


Piece = Answer | str
"""A whole answer with its basis; or a sentence of one whose basis comes at its end.

A question gets one or more answers: first what is quickly known, then what a model adds.
"""

Cancelled = Callable[[], bool]
"""Asked between the steps of a job; once it is true, nobody wants the rest."""


@dataclass(frozen=True, slots=True)
class Context:
    """What was asked and answered before, for follow-ups."""

    question: str = ""
    answer: Answer | None = None
    frame: Frame | None = None
