"""Where things are kept: the system's folders, or one that the user names."""

import os
import stat
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.settings import paths
from models.own_folders import cache_folder


def test_one_variable_moves_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    folders = [
        paths.config_folder(),
        paths.data_folder(),
        cache_folder(),
        paths.runtime_folder(),
    ]
    assert {folder.parent for folder in folders} == {tmp_path} and len(set(folders)) == 4
    assert paths.settings_file() == tmp_path / "config" / "settings.toml"


def test_else_the_systems_folders_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(paths.HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/somewhere")
    assert paths.settings_file() == Path("/etc/somewhere/sightline/settings.toml")
    assert not paths.settings_file().exists(), "naming a folder must not make it"


def test_folders_are_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True, mode=0o755)
    assert stat.S_IMODE(paths.make_private_folder(folder).stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be made"):
        paths.make_private_folder(tmp_path / "file" / "x")


def test_a_path_as_people_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "my sign.png"
    picture.write_bytes(b"")
    dragged = str(picture).replace(" ", "\\ ")
    for text in (f" {picture} ", f"'{picture}'", f'"{picture}"', dragged, picture.as_uri()):
        assert paths.typed_path(text) == picture, text
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.typed_path("~/my sign.png") == picture
    odd = tmp_path / "it\\ is.png"
    odd.write_bytes(b"")
    assert paths.typed_path(str(odd)) == odd, "a name that is there is taken as it stands"
    for text in ("x" * 5000, "~nobody-of-that-name/x", "'", "a\0b"):
        assert not os.path.exists(paths.typed_path(text))
