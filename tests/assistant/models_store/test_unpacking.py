"""Archives that try to write where they must not, or to fill the disk."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from assistant import machine
from assistant.errors import DamagedFileError, DownloadError
from assistant.models_store import unpacking
from assistant.models_store.unpacking import unpack_zip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "model.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "unpacked"


def write(archive: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries:
            opened.writestr(name, content)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_files_come_out_as_they_are_and_private(archive: Path, folder: Path) -> None:
    write(
        archive,
        (special("model/", stat.S_IFDIR | 0o777), b""),
        ("model/am/final.mdl", b"weights"),
        (special("model/run.sh", stat.S_IFREG | 0o4777), b"#!"),
        ("model/größe.txt", b"x"),
    )
    unpack_zip(archive, folder)
    assert (folder / "model/am/final.mdl").read_bytes() == b"weights"
    assert (folder / "model/größe.txt").is_file()
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()} == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_dir()} == {0o700}


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "model/../../evil",
        "/tmp/evil",
        "//server/evil",
        "C:/evil",
        "C:evil",
        "..\\evil",
        "model\\..\\..\\evil",
        "model/evil\x00.txt",
        "model/evil\x1b[2J",
        "model/..",
        "x" * 600,
    ],
)
def test_names_that_lead_elsewhere(archive: Path, folder: Path, name: str) -> None:
    entry = zipfile.ZipInfo("placeholder")
    # ZipInfo would tidy the name; a hostile archive does not.
    entry.filename = name
    write(archive, ("model/good", b"good"), (entry, b"evil"))
    with pytest.raises(DamagedFileError, match="nothing was installed"):
        unpack_zip(archive, folder)
    assert not folder.exists()
    assert sorted(path.name for path in archive.parent.iterdir()) == ["model.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices(archive: Path, folder: Path, kind: int) -> None:
    write(archive, (special("model/link", kind | 0o777), b"/etc/passwd"))
    with pytest.raises(DamagedFileError, match="link or a device"):
        unpack_zip(archive, folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(archive: Path, folder: Path) -> None:
    for second in ("model/a", "MODEL/A", "model/a/"):
        write(archive, ("model/a", b"1"), (second, b"2"))
        with pytest.raises(DamagedFileError, match="twice"):
            unpack_zip(archive, folder)


def test_a_file_that_is_also_a_folder(archive: Path, folder: Path) -> None:
    write(archive, ("model/a", b"1"), ("model/a/b", b"2"))
    with pytest.raises(DamagedFileError, match="a file and a folder"):
        unpack_zip(archive, folder)


def test_a_bomb_is_refused_by_what_it_says(archive: Path, folder: Path) -> None:
    write(archive, ("model/zeros", bytes(40_000_000)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(DamagedFileError, match="would grow to 40 MB"):
        unpack_zip(archive, folder)
    assert not folder.exists()


def test_a_bomb_that_lies_is_stopped(
    archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "LEAST_LIMIT_BYTES", 100_000)
    write(archive, ("model/zeros", bytes(2_000_000)))
    content = bytearray(archive.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    for place in (content.index(b"PK\x03\x04") + 22, central + 24):
        content[place : place + 4] = struct.pack("<I", 1000)
    archive.write_bytes(content)
    with pytest.raises(DamagedFileError):
        unpack_zip(archive, folder)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 100_000


def test_too_many_entries(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 3)
    write(archive, *((f"model/{n}", b"") for n in range(4)))
    with pytest.raises(DamagedFileError, match="4 entries"):
        unpack_zip(archive, folder)


def test_no_archive_and_damaged_archives(archive: Path, folder: Path) -> None:
    write(archive, ("model/a", bytes(range(256)) * 99))
    whole = archive.read_bytes()
    damaged = whole.replace(whole[60:70], bytes(10), 1)
    for content in (b"", b"<html>not here</html>", whole[:-30], whole[: len(whole) // 2], damaged):
        archive.write_bytes(content)
        with pytest.raises(DamagedFileError, match="no zip archive or is damaged"):
            unpack_zip(archive, folder)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        if folder.exists():
            folder.rmdir()
    with zipfile.ZipFile(archive, "w"):
        pass
    with pytest.raises(DamagedFileError, match="empty"):
        unpack_zip(archive, folder)


def test_encrypted_entries(archive: Path, folder: Path) -> None:
    write(archive, ("model/a", b"secret"))
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(DamagedFileError, match="encrypted"):
        unpack_zip(archive, folder)


def test_no_room(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(archive, ("model/a", b"1"))
    monkeypatch.setattr(machine, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DownloadError, match="are free"):
        unpack_zip(archive, folder)
    assert not folder.exists()
