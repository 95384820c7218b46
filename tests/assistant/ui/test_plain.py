"""What is printed and spoken: labels, no control characters, each status once."""

import pytest

from assistant.answers import Basis
from assistant.speech.rendering import spoken_sentences
from assistant.text.printable import one_line, printable
from assistant.ui.plain import PlainFront


def test_the_basis_is_spoken_first_and_sentences_are_whole() -> None:
    text = "The date is 1.2.2024. I also read 3.2."
    assert spoken_sentences(Basis.READ, text) == ["Read: The date is 1.2.2024.", "I also read 3.2."]
    assert spoken_sentences(Basis.GUESS, "red") == ["Guess: red"]
    assert spoken_sentences(Basis.UNKNOWN, "I can't tell: no.") == ["I can't tell: no."]


def test_lines_of_a_page_are_spoken_one_by_one_and_rules_are_not() -> None:
    page = "S.H.H. MOTOR\n\n---\nTel: 07"
    assert spoken_sentences(Basis.READ, page) == ["Read: S.H.H. MOTOR", "Tel: 07"]


def test_printed_answers_carry_their_label_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    front = PlainFront(as_json=False)
    front.answer(Basis.SEEN, "EX\x1b[31mIT\u202e\nnow")
    front.status("no sound")
    front.status("no sound")
    assert capsys.readouterr().out == "answer: EX[31mIT\n  now (seen)\nstatus: no sound\n"


def test_a_line_of_recognized_text_cannot_pose_as_another_label(
    capsys: pytest.CaptureFixture[str],
) -> None:
    front = PlainFront(as_json=False)
    front.answer(Basis.READ, "SHOP\n\nerror: call 555\r\nstatus: off\u2028you: yes")
    front.status("one\nerror: two")
    assert capsys.readouterr().out.split("\n") == [
        "answer: SHOP", "  ", "  error: call 555 ", "  status: off you: yes (read)",
        "status: one", "  error: two", "",
    ]  # fmt: skip


def test_drawings_are_dropped_and_all_spaces_are_plain() -> None:
    assert printable("\u2500a\u2503b\u257f\u2580c\u259f\u2800d\u28ff") == "abcd"
    assert printable("\u24ff\u25a0\u27ff\u2900") == "\u24ff\u25a0\u27ff\u2900"
    assert printable("5\u00a0kg\u2009or\u3000more\tor\u202fless") == "5 kg or more or less"


def test_beside_json_only_status_lines_are_printed_and_not_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    front = PlainFront(as_json=True)
    front.answer(Basis.SEEN, "red")
    front.status("no model")
    assert capsys.readouterr() == ("", "status: no model\n")


def test_one_line() -> None:
    assert one_line("two\n  lines\x07") == "two lines"
