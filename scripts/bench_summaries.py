"""How much a text model invents about 30 texts, and how much of it the rule of `claims` stops.

    python scripts/bench_summaries.py ask MODEL_FOLDER --kept runs/summaries.json
    python scripts/bench_summaries.py report --kept runs/summaries.json

`ask` lets a model summarize the texts and keeps every sentence. Whether a sentence is true of its
text was judged by reading both, in exam/summaries_judged.jsonl; `report` compares that with what
the rule lets through, and adds sentences that are made from the texts' own: as they stand (true),
and with another figure, name, day, or with a denial put in or left out, or with the figure of
another line (all untrue). Rules may be chosen on the half `dev`; `report` is for the other.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from exam.documents import Document, read_documents  # noqa: E402

from assistant.seeing.text import TextLine  # noqa: E402
from assistant.text.claims import rests_on  # noqa: E402
from assistant.text.page import Page  # noqa: E402
from assistant.text.sentences import sentences  # noqa: E402

EXAM = Path(__file__).parent / "exam"
JUDGED = EXAM / "summaries_judged.jsonl"
RESULT = Path(__file__).parent / "results" / "summaries.json"
TEXTS = 30
QUESTION = "Summarize this text."
LEAST_PROSE = 30
"""Words in lines of at least five words: below that there is nothing to sum up."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text with its lines, and the half that it belongs to."""

    name: str
    half: str
    lines: tuple[TextLine, ...]

    @property
    def whole(self) -> str:
        """All lines, one under the other."""
        return "\n".join(line.text for line in self.lines)


def texts() -> list[Text]:
    """The 30 texts with most prose among the documents that may be looked at."""
    documents = [
        document
        for name in ("documents_dev.txt", "documents_dev2.txt")
        for document in read_documents(EXAM / name)
    ]
    chosen = sorted(documents, key=lambda each: (-_prose(each), each.name))[:TEXTS]
    names = sorted(each.name for each in chosen)
    random.Random(7).shuffle(names)
    first = set(names[: TEXTS // 2])
    return [
        Text(each.name, "choose" if each.name in first else "report", _lines(each))
        for each in sorted(chosen, key=lambda each: each.name)
    ]


def _prose(document: Document) -> int:
    counts = [len(line.split()) for line in _printed(document)]
    return sum(count for count in counts if count >= 5)


def _printed(document: Document) -> Iterator[str]:
    for line in document.lines:
        if line and not line.startswith(("!", "---", "//")):
            yield re.sub(r"^[#~^>]+ ?", "", line)


def _lines(document: Document) -> tuple[TextLine, ...]:
    """The lines as a sure reader would give them, 40 pixels under each other."""
    found = []
    for row, line in enumerate(_printed(document)):
        for column, cell in enumerate(re.split(r" ?\|+ ?", line)):
            if cell.strip():
                x, y, width = 600.0 * column, 40.0 * row, 10.0 * len(cell)
                box = ((x, y), (x + width, y), (x + width, y + 24), (x, y + 24))
                found.append(TextLine(cell.strip(), box, 1.0))
    return tuple(found)


def ask(folder: Path, kept: Path, most: int) -> None:
    """Let a model summarize texts, both halves in turn; what is kept is not asked again."""
    from assistant.inference.text_model import LocalTextModel

    done: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    model: LocalTextModel | None = None
    halves = [[text for text in texts() if text.half == half] for half in ("choose", "report")]
    for text in [text for pair in zip(*halves, strict=True) for text in pair]:
        if text.name in done:
            continue
        if len(done) >= most:
            break
        model = model or LocalTextModel(folder)
        begun = time.process_time()
        told = "".join(model.answer(text.whole, QUESTION))
        seconds = round(time.process_time() - begun, 1)
        done[text.name] = {"model": model.name, "told": told, "processor_s": seconds}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(done, indent=1, ensure_ascii=False))
        print(f"{text.name}: {seconds} s", flush=True)


def report(kept: Path) -> dict[str, Any]:
    """What the rule lets through and stops, per half."""
    told = json.loads(kept.read_text())
    judged = {
        (each["text"], each["sentence"]): each["true"]
        for each in map(json.loads, JUDGED.read_text(encoding="utf-8").splitlines())
    }
    halves: dict[str, Any] = {}
    made = {text.name: list(made_sentences(text)) for text in texts()}
    for half in ("choose", "report"):
        own = [text for text in texts() if text.half == half and text.name in told]
        counts = dict.fromkeys(
            ("true_told", "true_stopped", "invented_told", "invented_stopped", "unjudged"), 0
        )
        for text in own:
            page = Page(text.lines)
            # A small model says one thing again and again: that is one statement.
            for sentence in dict.fromkeys(sentences(told[text.name]["told"])):
                truth = judged.get((text.name, sentence))
                passes = "told" if rests_on(sentence, page) else "stopped"
                kind = {True: f"true_{passes}", False: f"invented_{passes}", None: "unjudged"}
                counts[kind[truth]] += 1
        kinds: dict[str, list[int]] = {}
        for text in (text for text in texts() if text.half == half):
            page = Page(text.lines)
            for kind_of, sentence in made[text.name]:
                passed, all_of = kinds.setdefault(kind_of, [0, 0])
                kinds[kind_of] = [passed + bool(rests_on(sentence, page)), all_of + 1]
        invented = counts["invented_told"] + counts["invented_stopped"]
        halves[half] = {
            "texts": len(own),
            "sentences_of_the_model": counts,
            "invented_per_summary": round(invented / max(1, len(own)), 2),
            "invented_per_summary_told": round(counts["invented_told"] / max(1, len(own)), 2),
            "made_sentences_told": {
                kind_of: {"told": passed, "of": all_of}
                for kind_of, (passed, all_of) in sorted(kinds.items())
            },
        }
    seconds = [each["processor_s"] for each in told.values()]
    return {
        "models": sorted({each["model"] for each in told.values()}),
        "processor_seconds_per_summary": round(sum(seconds) / max(1, len(seconds)), 1),
        "halves": halves,
    }


_NAMES = ("Brandon", "Whitfield", "Marlow", "Osborne")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_VERBS = re.compile(r"\b(?:is|are|will|can|must|may|was)\b")


def made_sentences(text: Text) -> Iterator[tuple[str, str]]:
    """(kind, sentence): the text's own statements, and what is untrue of them."""
    draw = random.Random(text.name)
    own = [" ".join(place.text.split()) for place in Page(text.lines).statements]
    own = [each for each in own if 4 <= len(each.split()) <= 40]
    for each in own:
        yield "as it stands", each
        figures = re.findall(r"\d+", each)
        if figures:
            old = draw.choice(figures)
            new = str(int(old) + draw.choice((1, 2, 5)))
            if not re.search(rf"(?<!\d){new}(?!\d)", each):
                yield "another figure", re.sub(rf"(?<!\d){old}(?!\d)", new, each, count=1)
        others = [other for other in own if other != each and re.search(r"\d", other)]
        if figures and others:
            foreign = re.findall(r"\d+", draw.choice(others))
            if not set(foreign) & set(figures):
                yield "the figure of another line", each.replace(figures[0], foreign[0], 1)
        names = re.findall(r"(?<=[a-z,] )[A-Z][a-z]{3,}", each)
        if names:
            yield "another name", each.replace(draw.choice(names), draw.choice(_NAMES), 1)
        days = [day for day in _DAYS if day in each]
        if days:
            free = [day for day in _DAYS if day not in each]
            yield "another day", each.replace(days[0], draw.choice(free), 1)
        verb = _VERBS.search(each)
        if verb and not re.search(r"\b(?:not|no|never|without)\b|n't", each, re.IGNORECASE):
            yield "a denial put in", f"{each[: verb.end()]} not{each[verb.end() :]}"
        if re.search(r"\b(?:not|never) ", each):
            yield "a denial left out", re.sub(r"\b(?:not|never) ", "", each, count=1)


def main() -> int:
    """Ask or report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=("ask", "report"))
    parser.add_argument("model", type=Path, nargs="?", help="folder of a text model")
    parser.add_argument("--kept", type=Path, default=Path("runs/summaries.json"))
    parser.add_argument("--most", type=int, default=TEXTS, help="texts to ask about")
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.what == "ask":
        if options.model is None:
            parser.error("give the folder of a text model")
        ask(options.model, options.kept, options.most)
        return 0
    found = report(options.kept)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
