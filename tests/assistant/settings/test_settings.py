"""Settings: what is allowed, what is told of what is not, and a file that keeps its comments."""

import stat
from pathlib import Path

import pytest
from textual.keys import Keys, _character_to_key

from assistant.errors import SettingsError
from assistant.settings.file import load_settings, save_setting, wrong_text
from assistant.settings.settings import (
    DEFAULT_KEYS,
    KEYS,
    Settings,
    get_value,
    parse_value,
    set_keys,
    set_value,
)

TAKEN = frozenset(DEFAULT_KEYS.values()) - {"r"}


def saved(path: Path, settings: Settings, name: str) -> str:
    save_setting(path, settings, name)
    return path.read_text(encoding="utf-8")


def test_a_missing_file_is_a_first_start(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml") == (Settings(), [])


def test_a_first_save_writes_every_setting_with_its_comment(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.toml"
    text = saved(path, set_value(Settings(), "speech.rate", 200), "speech.rate")
    assert "rate = 200 # Words per minute." in text
    for key in KEYS.values():
        assert key.comment in text
    assert load_settings(path) == (Settings(speech_rate=200), [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["settings.toml"]


def test_options_of_one_start_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    save_setting(path, Settings(speech_mode="none", verbosity=2), "verbosity")
    assert load_settings(path)[0] == Settings(verbosity=2)


def test_a_change_keeps_comments_and_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("# mine\n[speech]\nrate = 300 # fast\n\n[other]\nthing = 1\n")
    settings, wrong = load_settings(path)
    assert settings.speech_rate == 300
    assert list(map(str, wrong)) == [f"other.thing: no such setting; known are {', '.join(KEYS)}"]
    text = saved(path, set_value(settings, "speech.rate", 350), "speech.rate")
    assert text == "# mine\n[speech]\nrate = 350 # fast\n\n[other]\nthing = 1\n"
    text = saved(path, set_value(settings, "verbosity", 0), "verbosity")
    assert load_settings(path)[0].verbosity == 0 and "# mine" in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[speech]\nrate = 9000", "speech.rate is 9000; it must be a whole number from 80 to 600"),
        ("[speech]\nrate = true", "speech.rate is true; it must be a whole number from 80 to 600"),
        ("[speech]\nvolume = 50.5", "speech.volume is 50.5; it must be a whole number from 0 to 1"),
        ('[speech]\nmode = "loud"', 'speech.mode is "loud"; it must be "voice", "screen_reader"'),
        ("verbosity = '1'", 'verbosity is "1"; it must be a whole number from 0 to 2'),
        ("[camera]\nmirrored = 1", "camera.mirrored is 1; it must be true or false"),
        ("[speach]\nrate = 100", "speach.rate: no such setting; did you mean speech.rate?"),
        ("[keys]\nraed = 'x'", "keys.raed: no such action; did you mean read?"),
        ("[keys]\nread = 7", 'keys.read is 7; it must be a key, such as "r" or "f2"'),
        ("[keys]\nread = 'space'", 'keys.talk is "space", the key of read; choose another'),
        ("version = 2", "version is 2, and this program knows 1; install a newer Sightline"),
    ],
)
def test_a_wrong_value_is_named_and_the_rest_is_used(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("interface = 'plain'\n" + line + "\n")
    settings, wrong = load_settings(path)
    assert len(wrong) == 1 and str(wrong[0]).startswith(told)
    assert settings.interface == "plain" and settings.speech_rate == 175


def test_a_damaged_file_is_told_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for content in (b"[speech\nrate = 1", b"\xff\xfe"):
        path.write_bytes(content)
        settings, wrong = load_settings(path)
        assert settings == Settings() and len(wrong) == 1
        assert "correct or remove it; all settings are at their defaults" in str(wrong[0])
        with pytest.raises(SettingsError, match=f"{path}: .*correct or remove it"):
            save_setting(path, settings, "verbosity")
        assert path.read_bytes() == content


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("verbosity = 1\n[speech]\nrate = \n")
    _, [wrong] = load_settings(path)
    assert str(wrong).startswith("is not TOML: Invalid value (at line 3, column 8); ")


def test_several_mistakes_are_one_message_that_names_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("verbosity = 9\n[speech]\nrate = 1\n[camera]\nmirrored = 'no'\n")
    _, wrong = load_settings(path)
    assert wrong_text(path, wrong).splitlines() == [
        f"{path}: 3 lines are wrong; these settings are at their defaults",
        "verbosity is 9; it must be a whole number from 0 to 2",
        "speech.rate is 1; it must be a whole number from 80 to 600",
        'camera.mirrored is "no"; it must be true or false',
    ]
    assert wrong_text(path, wrong[:1]) == f"{path}: {wrong[0]}"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="SIGHTLINE_HOME"):
        save_setting(tmp_path / "file" / "settings.toml", Settings(), "verbosity")


def test_two_actions_can_change_their_keys() -> None:
    settings, wrong = set_keys(Settings(), {"read": "d", "double_check": "r"})
    assert wrong == []
    assert (settings.keys["read"], settings.keys["double_check"]) == ("d", "r")
    with pytest.raises(SettingsError, match='"d", the key of read'):
        set_value(settings, "keys.help", "d")
    assert set_value(settings, "keys.help", "f1").keys["help"] == "f1"
    assert get_value(settings, "keys.read") == "d"


def test_every_key_of_the_screen_can_be_chosen_and_a_slip_is_refused() -> None:
    named = {key.value for key in Keys if key.value[0] not in "<" and key.value != "ctrl-at"}
    typed = {_character_to_key(chr(code)) for code in range(32, 127)}
    for key in {"F2", "Home", "ctrl+R", "ä", *named, *typed} - TAKEN - {"return"}:
        assert set_value(Settings(), "keys.read", key).keys["read"].lower() == key.lower()
    for slip in ("esacpe", "banana", "ctrl", "ctrl+", "f0", "f100", "rr", "", "\x07"):
        with pytest.raises(SettingsError, match="must be a key"):
            set_value(Settings(), "keys.read", slip)


def test_the_number_of_a_camera_needs_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[camera]\nsource = 1\n")
    settings, wrong = load_settings(path)
    assert (settings.camera_source, wrong) == ("1", [])


def test_no_two_actions_begin_with_the_same_key() -> None:
    assert len(set(DEFAULT_KEYS.values())) == len(DEFAULT_KEYS)


def test_typed_values_become_what_the_setting_holds() -> None:
    assert parse_value("speech.rate", " 200 ") == 200
    assert parse_value("speech.rate", "fast") == "fast"
    assert parse_value("history.enabled", "On") is True
    assert parse_value("history.enabled", "perhaps") == "perhaps"
    assert parse_value("speech.voice", '"en-gb"') == "en-gb"
    assert parse_value("nothing", "1") == "1"
