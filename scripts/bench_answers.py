#!/usr/bin/env python3
"""Put the exam to the assistant: questions about documents, judged by the characters printed there.

    python scripts/bench_answers.py DATA [--half HALF ...] [--kind KIND] [--show] [--out FILE]
    python scripts/bench_answers.py DATA --in-process --half dev --show      (seconds, for tuning)
    python scripts/bench_answers.py DATA --receipts [--half ...]             (25 receipts x 7)
    python scripts/bench_answers.py DATA --real-questions
    python scripts/bench_answers.py DATA --cases DATA/reports/cases.jsonl

HALF is dev, held, both (of them), dev2, sealed, dev3a, dev3b, dev3 (of these), dev4a, dev4b, dev4
(of these), dev5a, dev5b or dev5 (of these). sealed, dev4b and dev5b are closed: only totals of them
are shown, and scripts/exam/README.md says why. The documents are drawn into runs/exam; photographs
come from DATA. One process of the assistant answers everything, as it would for a person who opens
a picture and asks about it. --in-process answers over lines of text that were read before and are
kept (--lines), which spares the reading.
"""

import argparse
import collections
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from exam import cases as exam_cases  # noqa: E402
from exam.cases import FOLDER, HALVES, SECRET, TOGETHER, Case  # noqa: E402
from exam.conversation import answers_in, asked_of_process, lines_for  # noqa: E402
from exam.documents import Document, text_of  # noqa: E402
from exam.judge import UNSURE, Given, Verdict, flat, judge  # noqa: E402

SCHEMA = 1
RUNS = ROOT / "runs" / "exam"
FIRST = "read this"
"""What is asked about every picture before its questions; not judged."""

SHOWN = 160
"""Characters of an answer in the list of those that are not right."""

Place = Callable[[str], Path]


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, judge, print the tables, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument(
        "--half",
        nargs="+",
        default=[],
        choices=(*HALVES, *TOGETHER),
        help="dev, unless others are asked for; both, dev3 and dev4 are two sets each",
    )
    parser.add_argument("--kind", help="only cases of this kind")
    parser.add_argument("--only", help="only pictures with this in their names")
    parser.add_argument(
        "--show", action="store_true", help="list what is not right, where it may be seen"
    )
    parser.add_argument("--cases", type=Path, help="other cases; pictures lie beside the file")
    parser.add_argument("--receipts", action="store_true", help="the shared receipts")
    parser.add_argument("--in-process", action="store_true", help="over kept lines of text")
    parser.add_argument("--lines", type=Path, default=RUNS / "lines.json", help="where they are")
    parser.add_argument("--meaning", type=Path, help="a model's folder, for --in-process")
    parser.add_argument("--relevance", type=Path, help="that of one that ranks, likewise")
    parser.add_argument("--text-model", type=Path, help="a second reader's, for --in-process")
    parser.add_argument("--reading", action="store_true", help="how well drawn pictures are read")
    parser.add_argument("--assistant", type=Path, default=Path(sys.executable).parent / "assistant")
    parser.add_argument(
        "--real-questions", action="store_true", help="which skills real questions go to"
    )
    parser.add_argument("--out", type=Path, help="JSON report")
    options = parser.parse_args(argv)
    if options.real_questions:
        return real_questions(options.data, options.out)
    folders = [RUNS, options.data]
    chosen: dict[str, list[Case]] = {}
    halves = options.half or ([] if options.cases or options.receipts else ["dev"])
    wanted = {name for half in halves for name in TOGETHER.get(half, (half,))}
    for name in HALVES:
        if name in wanted:
            chosen[name] = exam_cases.read_cases(FOLDER / f"cases_{name}.jsonl")
    if options.receipts:
        chosen["receipts"] = exam_cases.receipt_cases(FOLDER / "receipts.jsonl")
    if options.cases is not None:
        chosen[options.cases.stem] = exam_cases.read_cases(options.cases)
        folders.append(options.cases.parent)
    chosen = {
        name: [case for case in cases if _is_wanted(case, options.kind, options.only)]
        for name, cases in chosen.items()
    }
    asked = [case for cases in chosen.values() for case in cases]
    pictures = list(dict.fromkeys(str(case["picture"]) for case in asked))
    exam_cases.draw_missing(pictures, RUNS)

    def place(picture: str) -> Path:
        return exam_cases.place_of(picture, folders)

    report: dict[str, Any] = {
        "schema": SCHEMA,
        "version": importlib.metadata.version("sightline"),
        "mode": "in process" if options.in_process else "process",
        "parts": {},
    }
    if options.reading:
        report["reading"] = reading(pictures, place, options.lines)
        if SECRET & set(chosen):
            del report["reading"]["worst"]
        print(f"reading: {report['reading']}")
    given = ask(asked, place, options)
    for name, cases in chosen.items():
        report["parts"][name] = score(cases, given, detail=name not in SECRET)
        print_table(name, report["parts"][name])
        if options.show and name not in SECRET:
            print_wrong(cases, given)
    if options.out is not None:
        text = json.dumps(report, indent=1, ensure_ascii=False)
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def real_questions(data: Path, out: Path | None) -> int:
    """Report where questions go that blind people asked about their own photographs."""
    from exam.real_questions import read_questions, routed

    found = routed(read_questions(data / "text" / "real_questions_dev.tsv"))
    for skill, count in found["skills"].items():
        print(f"{count:5}  {skill}")
    print(f"about text, refused as unknown: {found['about_text_refused_as_unknown']}")
    place = out or ROOT / "scripts" / "results" / "real_questions.json"
    text = json.dumps({"schema": SCHEMA, **found}, indent=1, ensure_ascii=False)
    place.write_text(text + "\n", encoding="utf-8")
    return 0


def ask(cases: Sequence[Case], place: Place, options: argparse.Namespace) -> dict[str, Given]:
    """What the assistant says to each case, by its id."""
    # A picture is read aloud first, so that no question's time is that of the reading.
    groups = [
        (picture, [{"id": f"first {picture}", "picture": picture, "ask": FIRST}, *group])
        for picture, group in exam_cases.by_picture(cases)
    ]
    lines, ordered = lines_for(groups, place)
    with tempfile.TemporaryDirectory(prefix="exam-") as home:
        if options.in_process:
            os.environ["SIGHTLINE_HOME"] = home
            from exam.in_process import asked_in_process
            from exam.lines import KeptLines

            read = KeptLines(options.lines).read_all([place(picture) for picture, _ in groups])
            asker = asked_in_process(
                list(read), options.meaning, options.relevance, options.text_model
            )
        else:
            asker = asked_of_process(
                [str(options.assistant), "--json", "--no-speech", "--camera", "none"],
                os.environ | {"SIGHTLINE_HOME": home},
            )
        return answers_in(asker(lines), ordered)


def score(cases: Sequence[Case], given: Mapping[str, Given], *, detail: bool) -> dict[str, Any]:
    """Counts, by kind too, seconds, and with detail the verdict on each case."""
    verdicts = {case["id"]: judge(case, _answer(given, case)) for case in cases}
    kinds: dict[str, list[Case]] = collections.defaultdict(list)
    for case in cases:
        kinds[str(case["kind"])].append(case)
    found: dict[str, Any] = {
        **_counts(cases, verdicts, given),
        "pictures": len({case["picture"] for case in cases}),
        "silent": sum(not _answer(given, case).basis for case in cases),
        "answer_ms": _milliseconds(cases, given),
        "kinds": {kind: _counts(kinds[kind], verdicts, given) for kind in sorted(kinds)},
    }
    if detail:
        found["verdicts"] = {name: verdict.value for name, verdict in verdicts.items()}
    return found


def _counts(
    cases: Sequence[Case], verdicts: Mapping[str, Verdict], given: Mapping[str, Given]
) -> dict[str, int]:
    mine = [(verdicts[case["id"]], _answer(given, case)) for case in cases]
    return {
        "cases": len(mine),
        "right": sum(verdict is Verdict.RIGHT for verdict, _ in mine),
        "declined": sum(verdict is Verdict.DECLINED for verdict, _ in mine),
        "wrong": sum(verdict is Verdict.WRONG for verdict, _ in mine),
        "wrong_read_or_seen": sum(
            verdict is Verdict.WRONG and answer.is_sure for verdict, answer in mine
        ),
        "wrong_unknown": sum(
            verdict is Verdict.WRONG and set(answer.basis) <= UNSURE for verdict, answer in mine
        ),
    }


def _milliseconds(cases: Sequence[Case], given: Mapping[str, Given]) -> dict[str, float] | None:
    """From a question to its answer, on pictures that were read before."""
    times = [_answer(given, case).seconds for case in cases]
    known = [1000 * seconds for seconds in times if seconds is not None]
    if not known:
        return None
    median, late = np.percentile(known, (50, 95))
    return {"median": round(float(median), 1), "percentile_95": round(float(late), 1)}


def reading(pictures: Sequence[str], place: Place, lines: Path) -> dict[str, Any]:
    """How many of the words that were drawn are read, on the mean and on the worst pictures."""
    from exam.lines import KeptLines

    documents = {document.picture: document for document in exam_cases.documents()}
    drawn = [picture for picture in pictures if picture in documents]
    recall = {}
    for (_, read), picture in zip(
        KeptLines(lines).read_all([place(picture) for picture in drawn]), drawn, strict=True
    ):
        recall[picture] = word_recall(documents[picture], " ".join(line.text for line in read))
    worst = sorted(recall, key=lambda picture: recall[picture])[:8]
    return {
        "pictures": len(recall),
        "mean_word_recall": round(float(np.mean(list(recall.values()))), 4) if recall else None,
        "worst": {Path(picture).stem: round(recall[picture], 3) for picture in worst},
    }


def word_recall(document: Document, read: str) -> float:
    """The part of a document's words that stand in what was read, wherever spaces fell."""
    words = [word for word in flat(text_of(document)).split() if any(map(str.isalnum, word))]
    run_together = flat(read).replace(" ", "")
    return sum(word.strip(".,:;()|-") in run_together for word in words) / len(words)


def print_table(name: str, found: Mapping[str, Any]) -> None:
    """Counts by kind, and of all."""
    heads = ("cases", "right", "declined", "wrong", "wrong_read_or_seen", "wrong_unknown")
    print(f"\n{name:24}" + "".join(f"{head.replace('wrong_', ''):>14}" for head in heads))
    for kind, counts in (*found["kinds"].items(), ("all", found)):
        print(f"{kind:24}" + "".join(f"{counts[head]:>14}" for head in heads))
    share = found["right"] / max(1, found["cases"])
    print(f"right {share:.1%}, silent {found['silent']}, answer_ms {found['answer_ms']}")


def print_wrong(cases: Sequence[Case], given: Mapping[str, Given]) -> None:
    """What is not right, with what was asked and what should have been said."""
    for case in cases:
        answer = _answer(given, case)
        verdict = judge(case, answer)
        if verdict is not Verdict.RIGHT:
            asked = " >> ".join(case.get("asks", [case.get("ask")]))
            wanted = "a decline" if case.get("decline") else case.get("must")
            said = answer.text[:SHOWN].replace("\n", " / ")
            print(
                f"{verdict.value}: {case['id']}: {asked} -> {said} {answer.basis}; "
                f"wanted {wanted}, never {case.get('never', [])}"
            )


def _is_wanted(case: Case, kind: str | None, only: str | None) -> bool:
    return (kind is None or case["kind"] == kind) and (only is None or only in case["picture"])


def _answer(given: Mapping[str, Given], case: Case) -> Given:
    return given.get(str(case["id"]), Given())


if __name__ == "__main__":
    sys.exit(main())
