"""The exam: its judge bites, its pictures are repeatable, and its truth stands on what it draws."""

import collections
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import bench_answers  # noqa: E402
from exam import cases as exam_cases  # noqa: E402
from exam import conversation  # noqa: E402
from exam.documents import Document, parse_print, read_documents, text_of  # noqa: E402
from exam.judge import Given, Verdict, judge, stands_in  # noqa: E402
from exam.paper import draw_paper  # noqa: E402
from exam.photograph import photograph  # noqa: E402

HALVES = {half: exam_cases.read_cases(exam_cases.FOLDER / f"cases_{half}.jsonl")
          for half in exam_cases.HALVES}  # fmt: skip
CASES = [case for cases in HALVES.values() for case in cases]
TOTAL = {"must": ["12.40"], "never": ["340"]}


def verdict(case: dict[str, Any], text: str, *basis: str) -> Verdict:
    return judge(case, Given(text, list(basis)))


def test_right_is_what_holds_the_printed_figure_as_a_whole() -> None:
    assert verdict(TOTAL, "The total is 12.40.", "read") is Verdict.RIGHT
    assert verdict(TOTAL, "the TOTAL:\n$12.40", "guess") is Verdict.RIGHT
    for other in ("112.40", "12.405", "1,212.40", "12.40.1", "12.4"):
        assert verdict(TOTAL, f"The total is {other}", "read") is Verdict.WRONG


def test_what_is_forbidden_or_too_long_is_wrong_even_with_the_right_figure() -> None:
    assert verdict(TOTAL, "12.40, with 340 points", "read") is Verdict.WRONG
    assert verdict(TOTAL, "12.40, order 1340", "read") is Verdict.RIGHT
    assert verdict(TOTAL, "12.40 " + "word " * 24, "read") is Verdict.RIGHT
    assert verdict(TOTAL, "12.40 " + "word " * 25, "read") is Verdict.WRONG
    assert verdict({**TOTAL, "words": 40}, "12.40 " + "word " * 25, "read") is Verdict.RIGHT
    three = "12.40, tax 1.00, change 5.00"
    assert verdict({**TOTAL, "amounts": 2}, three, "read") is Verdict.WRONG
    assert verdict(TOTAL, three, "read") is Verdict.RIGHT


def test_a_decline_is_no_answer_where_there_is_one_and_right_where_there_is_none() -> None:
    said = "I see text but nothing about sodium."
    assert verdict(TOTAL, said, "unknown") is Verdict.DECLINED
    assert verdict(TOTAL, said, "read") is Verdict.WRONG
    assert verdict(TOTAL, "") is Verdict.DECLINED
    nothing = {"must": [], "decline": True, "never": ["9.99"]}
    assert verdict(nothing, said, "unknown") is Verdict.RIGHT
    assert verdict(nothing, said, "read") is Verdict.RIGHT
    assert verdict(nothing, "The coffee is 3.20.", "read") is Verdict.WRONG
    assert verdict(nothing, "I do not find it, but 9.99 stands there", "unknown") is Verdict.WRONG
    assert verdict(nothing, "") is Verdict.DECLINED


def test_all_of_must_and_says_are_wanted_and_one_of_each_list() -> None:
    case = {"must": ["14 NOV 2025"], "says": [["expired", "ago"]]}
    assert verdict(case, "It says 14 Nov 2025: over a year ago", "read") is Verdict.RIGHT
    assert verdict(case, "It says 14 NOV 2025", "read") is Verdict.WRONG


def test_spaces_accents_and_quotes_do_not_count_but_parts_of_short_words_do() -> None:
    assert stands_in("1 234,56", "1234,56 EUR") and stands_in("Février", "fevrier 2")
    assert stands_in("1'197.80", "CHF 1’197.80") and not stands_in("197.80", "1'197.80")
    assert stands_in("no parking", "NOPARKING") and not stands_in("no", "nothing")
    assert stands_in("M", "Size M") and not stands_in("M", "mm")
    assert stands_in("1½", "take 1½ tablets") and not stands_in("1½", "take 11⁄2 tablets")
    assert stands_in("lamb", "lambs") and not stands_in("lamb", "lambs", whole=True)


def test_prints_are_taken_apart() -> None:
    assert parse_print("#^ BIG").cells == ("BIG",) and parse_print("#^ BIG").place == "centre"
    assert parse_print("Milk || 1.29").ends
    assert parse_print("Lasagne | | 12.00").cells == ("Lasagne", "", "12.00")
    lines = ("!bold", "# A", "---", "B || 1", "", "!cols 0 50", "C | 2")
    assert text_of(Document("x", "y", "card", lines)) == "A B 1 C 2"


def test_a_file_with_a_wrong_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "documents.txt"
    for text, match in (
        ("=== a | b\n", "header"),
        ("=== a | b | card\n=== a | b | card\n", "twice"),
        ("hello\n", "before"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=match):
            read_documents(path)


def test_drawing_is_repeatable_and_shows_something() -> None:
    first, second = exam_cases.documents()[:2]
    stored = photograph(draw_paper(first), first.name)
    assert stored == photograph(draw_paper(first), first.name)
    assert stored != photograph(draw_paper(second), second.name)
    # The same sheet, photographed again under another name, is another photograph of it.
    assert stored != photograph(draw_paper(first), "another")
    seen = np.asarray(Image.open(io.BytesIO(stored)).convert("L"))
    assert seen.min() < 90 and seen.max() > 150


def test_text_without_room_and_marks_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        draw_paper(Document("x", "y", "card", ("word " * 30 + "|| 1",)))
    with pytest.raises(ValueError, match="no such mark"):
        draw_paper(Document("x", "y", "card", ("!blink",)))


def test_a_picture_is_drawn_once_and_again_when_it_is_gone(tmp_path: Path) -> None:
    name = exam_cases.documents()[0].picture
    exam_cases.draw_missing([name, "vision/other.jpg"], tmp_path)
    first = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"kept")
    exam_cases.draw_missing([name], tmp_path)
    assert (tmp_path / name).read_bytes() == b"kept"
    (tmp_path / name).unlink()
    exam_cases.draw_missing([name], tmp_path)
    assert (tmp_path / name).read_bytes() == first
    (tmp_path / "drawn.json").write_text("{}")
    (tmp_path / name).write_bytes(b"of another document")
    exam_cases.draw_missing([name], tmp_path)
    assert (tmp_path / name).read_bytes() == first


@pytest.mark.slow
def test_every_document_can_be_drawn() -> None:
    for document in exam_cases.documents():
        assert draw_paper(document).height > 150, document.name


def test_the_exam_is_as_large_as_it_should_be_and_its_names_are_unique() -> None:
    assert len(CASES) >= 260 and len({case["id"] for case in CASES}) == len(CASES)
    assert sum(bool(case.get("decline")) for case in CASES) >= 35
    assert len({case["picture"] for case in CASES}) >= 90
    assert len({case["kind"] for case in CASES}) >= 20
    for case in CASES:
        assert ("ask" in case) != ("asks" in case), case["id"]
        assert case.get("must") or case.get("says") or case.get("decline"), case["id"]


def test_no_picture_is_in_both_halves_and_a_third_is_held() -> None:
    pictures = {half: {case["picture"] for case in cases} for half, cases in HALVES.items()}
    assert not pictures["dev"] & pictures["held"]
    share = len(pictures["held"]) / len(pictures["dev"] | pictures["held"])
    assert 0.3 < share < 0.37
    for half, cases in HALVES.items():
        assert {case["half"] for case in cases} == {half}
        drawn = {document.picture for document in read_documents(
            exam_cases.FOLDER / f"documents_{half}.txt")}  # fmt: skip
        assert drawn == {name for name in pictures[half] if name.startswith("drawn/")}


def test_the_second_set_shares_no_picture_with_the_first_and_a_quarter_is_sealed() -> None:
    pictures = {half: {case["picture"] for case in cases} for half, cases in HALVES.items()}
    first = pictures["dev"] | pictures["held"]
    assert not pictures["dev2"] & pictures["sealed"]
    assert not first & (pictures["dev2"] | pictures["sealed"])
    assert len(pictures["dev2"]) >= 45 and len(HALVES["dev2"]) >= 320
    assert len(pictures["sealed"]) >= 15 and len(HALVES["sealed"]) >= 110
    for half in ("dev2", "sealed"):
        declined = sum(bool(case.get("decline")) for case in HALVES[half])
        assert 0.10 < declined / len(HALVES[half]) < 0.15
    share = len(pictures["sealed"]) / len(pictures["dev2"] | pictures["sealed"])
    assert 0.2 < share < 0.3


def test_the_third_set_is_new_and_every_kind_of_document_goes_to_both_of_its_halves() -> None:
    pictures = {half: {case["picture"] for case in cases} for half, cases in HALVES.items()}
    older = set().union(*(pictures[half] for half in ("dev", "held", "dev2", "sealed")))
    assert not pictures["dev3a"] & pictures["dev3b"]
    assert not older & (pictures["dev3a"] | pictures["dev3b"])
    for half in ("dev3a", "dev3b"):
        assert len(pictures[half]) >= 40 and len(HALVES[half]) >= 300
    check_shared_out("dev3a", "dev3b")


def check_shared_out(*halves: str) -> None:
    """One case in eight or so is to be declined; each kind of document goes to both halves."""
    kinds: dict[str, collections.Counter[str]] = {}
    for half in halves:
        declined = sum(bool(case.get("decline")) for case in HALVES[half])
        assert 0.10 < declined / len(HALVES[half]) < 0.15
        asked = collections.Counter(case["picture"] for case in HALVES[half])
        assert min(asked.values()) >= 5 and max(asked.values()) <= 9
        path = exam_cases.FOLDER / f"documents_{half}.txt"
        kinds[half] = collections.Counter(document.kind for document in read_documents(path))
    first, second = (kinds[half] for half in halves)
    for kind in first | second:
        assert abs(first[kind] - second[kind]) <= 1, kind


def test_the_fourth_set_is_new_and_every_kind_of_document_goes_to_both_of_its_halves() -> None:
    pictures = {half: {case["picture"] for case in cases} for half, cases in HALVES.items()}
    mine = pictures.pop("dev4a"), pictures.pop("dev4b")
    assert not mine[0] & mine[1]
    assert not set().union(*pictures.values()) & (mine[0] | mine[1])
    for half, names in zip(("dev4a", "dev4b"), mine, strict=True):
        assert len(names) >= 40 and len(HALVES[half]) >= 290
    check_shared_out("dev4a", "dev4b")


def test_one_of_the_words_a_case_of_the_fourth_set_accepts_stands_on_the_document() -> None:
    texts = {document.picture: text_of(document) for document in exam_cases.documents()}
    for case in (*HALVES["dev4a"], *HALVES["dev4b"]):
        if case.get("decline") or "today" in case or case["kind"] == "spell":
            continue  # no word of theirs need be printed: a verdict, or letters one by one
        for options in case.get("says", ()):
            assert any(stands_in(one, texts[case["picture"]]) for one in options), case["id"]
            asked = " ".join(case.get("asks", [case.get("ask")]))
            assert not any(stands_in(one, asked) for one in options), case["id"]


def test_the_fifth_set_is_new_and_every_kind_of_document_goes_to_both_of_its_halves() -> None:
    pictures = {half: {case["picture"] for case in cases} for half, cases in HALVES.items()}
    mine = pictures.pop("dev5a"), pictures.pop("dev5b")
    assert not mine[0] & mine[1]
    assert not set().union(*pictures.values()) & (mine[0] | mine[1])
    for half, names in zip(("dev5a", "dev5b"), mine, strict=True):
        assert len(names) >= 14 and len(HALVES[half]) >= 85
    check_shared_out("dev5a", "dev5b")


@pytest.mark.parametrize("halves", [("dev3a", "dev3b"), ("dev4a", "dev4b"), ("dev5a", "dev5b")])
def test_nothing_is_asked_twice_of_a_picture_of_a_later_set(
    halves: tuple[str, str],
) -> None:
    cases = [*HALVES[halves[0]], *HALVES[halves[1]]]
    asked = [(case["picture"], *case.get("asks", [case.get("ask")])) for case in cases]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("half", ["sealed", "dev4b", "dev5b"])
def test_of_what_is_closed_only_totals_are_shown(
    half: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exam_cases, "draw_missing", lambda pictures, folder: None)
    monkeypatch.setattr(bench_answers, "ask", lambda cases, place, options: {})
    names = {Path(case["picture"]).stem: 0.5 for case in HALVES[half]}
    monkeypatch.setattr(bench_answers, "reading", lambda *given: {"pictures": 9, "worst": names})
    out = tmp_path / "report.json"
    wanted = ["--half", half, "--show", "--reading", "--out", str(out)]
    bench_answers.main([str(tmp_path), *wanted])
    seen = capsys.readouterr().out + out.read_text()
    assert f'"cases": {len(HALVES[half])}' in seen
    for case in HALVES[half]:
        assert case["id"] not in seen and case["picture"] not in seen
    assert not any(f"'{name}'" in seen or f'"{name}"' in seen for name in names)


@pytest.mark.parametrize(
    ("half", "asked"),
    [
        (None, ("dev",)),
        ("both", ("dev", "held")),
        ("dev2", ("dev2",)),
        ("sealed", ("sealed",)),
        ("dev3a", ("dev3a",)),
        ("dev3b", ("dev3b",)),
        ("dev3", ("dev3a", "dev3b")),
        ("dev4a", ("dev4a",)),
        ("dev4b", ("dev4b",)),
        ("dev4", ("dev4a", "dev4b")),
        ("dev5", ("dev5a", "dev5b")),
    ],
)
def test_only_the_sets_that_are_named_are_asked(
    half: str | None, asked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_cases, "draw_missing", lambda pictures, folder: None)
    monkeypatch.setattr(bench_answers, "ask", lambda cases, place, options: {})
    out = tmp_path / "report.json"
    named = [] if half is None else ["--half", half]
    bench_answers.main([str(tmp_path), *named, "--out", str(out)])
    assert tuple(json.loads(out.read_text())["parts"]) == asked


def test_what_must_be_said_stands_on_the_document() -> None:
    texts = {document.picture: text_of(document) for document in exam_cases.documents()}
    for case in CASES:
        text = texts.get(case["picture"])
        if text is None:
            continue
        for many in case["must"]:
            options = many if isinstance(many, list) else [many]
            assert any(stands_in(one, text) for one in options), (case["id"], many)


def test_what_must_be_said_is_not_forbidden() -> None:
    for case in CASES:
        for many in (*case["must"], *case.get("says", ())):
            options = many if isinstance(many, list) else [many]
            bad = case.get("never", ())
            said = [one for one in options if not any(stands_in(no, one, whole=True) for no in bad)]
            assert said, (case["id"], many)


@pytest.mark.weights
def test_every_photograph_is_there(data_dir: Path, tmp_path: Path) -> None:
    drawn = {document.picture for document in exam_cases.documents()}
    receipts = exam_cases.receipt_cases(exam_cases.FOLDER / "receipts.jsonl")
    for case in (*CASES, *receipts):
        if case["picture"] not in drawn:
            assert exam_cases.place_of(case["picture"], [tmp_path, data_dir]).is_file()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        exam_cases.place_of("nowhere.jpg", [tmp_path, data_dir])


@pytest.mark.weights
def test_receipts_agree_with_the_keys_that_are_published_with_them(data_dir: Path) -> None:
    receipts = exam_cases.read_cases(exam_cases.FOLDER / "receipts.jsonl")
    assert len(receipts) == 25
    for receipt in receipts:
        key = json.loads((data_dir / receipt["picture"]).with_suffix(".key.json").read_text())
        assert stands_in(receipt["date"][0], key["date"]), receipt["picture"]
        if key["total"]:
            assert stands_in(receipt["total"][0], key["total"].lstrip("RM$")), receipt["picture"]
        company = key["company"].lower()
        assert any(name.lower() in company for name in receipt["shop"]), receipt["picture"]


def test_seven_questions_a_receipt_and_what_is_not_printed_is_declined(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"
    fields = dict.fromkeys(exam_cases.FIELDS) | {"total": ["1.00", "1"]}
    path.write_text("// a comment\n" + json.dumps({"picture": "a.jpg", **fields}))
    cases = exam_cases.receipt_cases(path)
    assert len(cases) == 7 and [case["decline"] for case in cases].count(False) == 1
    assert cases[0]["must"] == [["1.00", "1"]] and cases[0]["amounts"] == 2


def event(name: str, **fields: object) -> str:
    return json.dumps({"event": name, **fields})


def test_each_answer_goes_to_its_case_whatever_comes_between() -> None:
    cases = [
        {"id": "a", "picture": "one.jpg", "ask": "total?"},
        {"id": "b", "picture": "one.jpg", "asks": ["total?", "and tax?"]},
        {"id": "c", "picture": "two.jpg", "ask": "date?"},
        {"id": "d", "picture": "two.jpg", "ask": "read the last line"},
    ]
    lines, asked = conversation.lines_for(
        exam_cases.by_picture(cases), lambda name: Path("/pictures") / name
    )
    said = [json.loads(line) for line in lines]
    assert [line.get("picture") for line in said if "question" in line] == [
        "/pictures/one.jpg", None, None, "/pictures/two.jpg", None,
    ]  # fmt: skip
    assert [case["id"] for case in asked] == ["a", "b", "c", "d"]
    end = [
        event("error_said", text=f"/{conversation.marker(n)}: no such command") for n in range(4)
    ]
    stream = [
        event("status_said", text="ready"),
        event("question_heard", text="tot", partial=True),
        event("question_heard", text="total?"),
        event("answer_given", answer="One.", basis="read"),
        event("answer_given", answer="And more.", basis="guess"),
        end[0],
        event("question_heard", text="total?"),
        event("answer_given", answer="One.", basis="read"),
        event("question_heard", text="and tax?"),
        event("answer_given", answer="Two.", basis="seen"),
        end[1],
        event("error_said", text="cannot open two.jpg"),
        end[2],
        event("reading_moved", text="the end", position="line 9 of 9"),
        end[3],
    ]
    found = conversation.answers_in(iter(enumerate(stream)), asked)
    assert (found["a"].text, found["a"].basis) == ("One. And more.", ["read", "guess"])
    assert found["a"].seconds == 2
    assert (found["b"].text, found["b"].basis) == ("Two.", ["seen"])
    assert found["c"].basis == ["error"]
    assert (found["d"].text, found["d"].basis) == ("the end", ["read"])


def test_a_session_answers_over_kept_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exam.in_process import asked_in_process

    from assistant.seeing.text import TextLine

    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    exam_cases.draw_missing(["drawn/us_grocery.jpg"], tmp_path)
    place = tmp_path / "drawn/us_grocery.jpg"
    texts = ("GREEN VALLEY MARKET", "MILK 4.29", "TOTAL 7.31")
    lines = tuple(
        TextLine(text, ((90, y), (500, y), (500, y + 30), (90, y + 30)), 0.99)
        for text, y in zip(texts, (90, 140, 190), strict=True)
    )
    case = {"id": "a", "picture": "p", "ask": "what is the total", "must": ["7.31"]}
    written, asked = conversation.lines_for([("p", [case])], lambda name: place)
    found = conversation.answers_in(asked_in_process([(place, lines)])(written), asked)
    # The kept lines answer, not those that stand on the picture.
    assert judge(case, found["a"]) is Verdict.RIGHT and found["a"].seconds is not None


def test_kept_lines_are_read_once(tmp_path: Path) -> None:
    from exam.lines import KeptLines, digest_of

    from assistant.seeing.text import TextLine

    picture, kept = tmp_path / "a.png", tmp_path / "lines.json"
    Image.new("RGB", (40, 30), "white").save(picture)
    line = {"text": "EXIT", "box": [[0, 0], [9, 0], [9, 5], [0, 5]], "confidence": 0.9}
    kept.write_text(json.dumps({digest_of(picture): {"picture": "a.png", "lines": [line]}}))
    expected = (TextLine("EXIT", ((0, 0), (9, 0), (9, 5), (0, 5)), 0.9),)
    assert list(KeptLines(kept).read_all([picture])) == [(picture, expected)]


def test_a_page_that_is_cut_short_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exam import lines as exam_lines

    from assistant.errors import OcrError
    from assistant.seeing.text import TextLine, TextPart

    line = TextLine("EXIT", ((0, 0), (9, 0), (9, 5), (0, 5)), 0.9)
    given = [TextPart((line,), 1), TextPart((), 1, late=True)]

    class Reader:
        def __init__(self, **options: float) -> None:
            self.patience = options["second_look_s"]

        def parts(self, picture: object, *, limit_s: float) -> list[TextPart]:
            assert limit_s == self.patience > 60
            return given

    monkeypatch.setattr(exam_lines, "RapidOcrReader", Reader)
    picture, kept = tmp_path / "a.png", tmp_path / "lines.json"
    Image.new("RGB", (40, 30), "white").save(picture)
    with pytest.raises(OcrError, match="too long"):
        list(exam_lines.KeptLines(kept).read_all([picture]))
    assert not kept.exists()
    given[1] = TextPart((line,), 0)
    assert list(exam_lines.KeptLines(kept).read_all([picture])) == [(picture, (line, line))]


def test_a_process_that_dies_leaves_the_rest_without_answers() -> None:
    program = (
        "import json, sys\n"
        "sys.stdin.readline()\n"
        "print(json.dumps({'event': 'question_heard', 'text': 'x'}))\n"
        "print(json.dumps({'event': 'answer_given', 'answer': '5', 'basis': 'read'}))\n"
        "line = json.loads(sys.stdin.readline())\n"
        "print(json.dumps({'event': 'error_said', 'text': line['command']}))\n"
    )
    ask = conversation.asked_of_process([sys.executable, "-c", program], {})
    cases = [{"id": name, "picture": "p", "ask": "x"} for name in ("a", "b")]
    lines, asked = conversation.lines_for(exam_cases.by_picture(cases), Path)
    found = conversation.answers_in(ask(lines), asked)
    assert found["a"].text == "5" and "b" not in found


def test_counts_by_kind_and_held_cases_without_names() -> None:
    cases = [
        {"id": "a", "picture": "p", "kind": "total", "must": ["1.00"]},
        {"id": "b", "picture": "p", "kind": "tax", "must": ["2.00"]},
        {"id": "c", "picture": "p", "kind": "tax", "must": ["3.00"]},
        {"id": "d", "picture": "p", "kind": "tax", "must": ["4.00"]},
    ]
    given = {
        "a": Given("1.00", ["read"], 0.020),
        "b": Given("1.00", ["read"], 0.010),
        "c": Given("1.00", ["guess"], 0.030),
    }
    found = bench_answers.score(cases, given, detail=False)
    assert (found["right"], found["declined"], found["wrong"]) == (1, 1, 2)
    assert found["wrong_read_or_seen"] == 1 and found["silent"] == 1
    assert found["kinds"]["tax"] == {
        "cases": 3, "right": 0, "declined": 1, "wrong": 2, "wrong_read_or_seen": 1,
        "wrong_unknown": 0,
    }  # fmt: skip
    assert found["answer_ms"] == {"median": 20.0, "percentile_95": 29.0}
    assert "verdicts" not in found
    assert bench_answers.score(cases, given, detail=True)["verdicts"]["b"] == "wrong"


def test_word_recall_ignores_where_spaces_fell() -> None:
    document = Document("x", "y", "card", ("Whole milk || 4.29", "Total: 9"))
    assert bench_answers.word_recall(document, "Wholemilk 4.29 total:9") == 1.0
    assert bench_answers.word_recall(document, "Whole 4.20 Total") == 0.4
