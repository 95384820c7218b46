"""Settings files that no one wrote by hand: defaults are used, and one short message says why."""

import os
import random
import time
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.settings.file import load_settings, save_setting, wrong_text
from assistant.settings.settings import Settings, set_value

PIECES = [b"[", b"]]", b'"', b"'''", b"9" * 50, b"\n=", b"\x00", b"a.", b"{", b"# "]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def refused(path: Path) -> str:
    """Read a file that cannot be used; the message about it."""
    began = time.monotonic()
    settings, wrong = load_settings(path)
    assert time.monotonic() - began < 5
    assert settings == Settings() and len(wrong) == 1
    text = wrong_text(path, wrong)
    assert text.endswith("all settings are at their defaults")
    assert len(text) < 400 + len(str(path)) and text.isprintable()
    return text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"#" + b"x" * 50_000_000, "has more than 262144 bytes"),
        (b"a." * 20_000 + b"a = 1", "has a key of more than 20 parts"),
        (b"a = " + b"[" * 100_000, "is nested more than 100 deep"),
        (b"[speech]\nrate = 1e999", "has the number 1e999, which is not finite"),
        (b"[speech]\nrate = nan", "has the number nan"),
        (b"[speech]\nrate = " + b"9" * 5000, "is not TOML: Exceeds the limit"),
        (b"[speech]\nrate = 0x" + b"f" * 5000, "has a number of more than 40 digits"),
        (b"verbosity = 1\nverbosity = 2", "is not TOML: Cannot overwrite a value"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"\n".join(b"k%d = 1" % number for number in range(600)), "holds 600 settings"),
        (b"k" * 2000 + b" = 1", "has a key of 2000 characters"),
    ],
)
def test_content_beyond_a_bound(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    assert why in refused(path)


def test_only_a_regular_file_is_read(path: Path) -> None:
    os.mkfifo(path)
    assert "is a pipe and no file" in refused(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "is a device and no file" in refused(path)
    path.unlink()
    path.mkdir()
    assert "cannot be read (Is a directory)" in refused(path)


def test_many_wrong_lines_are_not_all_told(path: Path) -> None:
    path.write_text("\n".join(f'"k\\u001b{number}" = "{"v" * 500}"' for number in range(300)))
    settings, wrong = load_settings(path)
    assert settings == Settings() and len(wrong) == 300
    text = wrong_text(path, wrong)
    assert text.count("\n") == 11 and text.endswith("\nand 290 more")


def test_a_long_value_is_shown_by_its_beginning(path: Path) -> None:
    path.write_text(f'verbosity = "\\u001b[2J{"v" * 100_000}"')
    _, wrong = load_settings(path)
    assert len(str(wrong[0])) < 250
    assert "\\x1b[2Jvvv" in str(wrong[0])


def test_a_damaged_file_is_not_saved_over(path: Path) -> None:
    path.write_text("a = 1e999")
    with pytest.raises(SettingsError, match="settings.toml: has the number 1e999"):
        save_setting(path, Settings(), "verbosity")
    assert path.read_text() == "a = 1e999"


def test_what_killed_writers_left_is_removed(path: Path) -> None:
    gone = path.with_name(".settings-4194303-abc")  # beyond the numbers of most systems
    ours = path.with_name(f".settings-{os.getpid()}-abc")
    gone.write_text("half")
    ours.write_text("half")
    save_setting(path, Settings(), "verbosity")
    assert sorted(each.name for each in path.parent.iterdir()) == [ours.name, path.name]


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_settings(path: Path, count: int) -> None:
    save_setting(path, set_value(Settings(), "speech.rate", 200), "speech.rate")
    sound = path.read_bytes()
    draw = random.Random(0)
    for _ in range(count):
        content = bytearray(sound)
        for _ in range(draw.randint(1, 8)):
            place = draw.randrange(len(content))
            if draw.random() < 0.5:
                content[place] ^= 1 << draw.randrange(8)
            else:
                content[place:place] = draw.choice(PIECES)
        path.write_bytes(content)
        _, wrong = load_settings(path)
        assert len(wrong_text(path, wrong)) < 5000
