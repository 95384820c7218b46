"""One file over a network that does all it can to spoil it."""

import hashlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant import machine
from assistant.errors import DamagedFileError, DownloadError
from assistant.models_store import downloads
from assistant.models_store.downloads import Wanted, fetch
from tests.assistant.fakes_server import Manners, serving

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def manners() -> Manners:
    return Manners({"/model.zip": CONTENT})


@pytest.fixture
def address(manners: Manners) -> Iterator[str]:
    with serving(manners) as root:
        yield f"{root}/model.zip"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.zip"


def get(wanted: Wanted, target: Path) -> str:
    return fetch(wanted, target, pause_s=0)


def left_over(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_arrives_whole_and_private(address: str, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    told = lambda here, whole: seen.append((here, whole))  # noqa: E731
    assert fetch(Wanted(address, len(CONTENT), DIGEST), target, told, pause_s=0) == DIGEST
    assert target.read_bytes() == CONTENT
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert left_over(target) == ["model.zip"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_transfer_that_is_cut_goes_on(address: str, manners: Manners, target: Path) -> None:
    manners.cut_after = [300_000, 1, 200_000]
    assert get(Wanted(address, len(CONTENT), DIGEST), target) == DIGEST
    assert target.read_bytes() == CONTENT
    assert manners.starts() == [None, "bytes=300000-", "bytes=300001-", "bytes=500001-"]


def test_the_next_command_goes_on(address: str, manners: Manners, target: Path) -> None:
    manners.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(DownloadError, match="goes on after 300000 bytes"):
        get(Wanted(address), target)
    assert left_over(target) == ["model.zip.part", "model.zip.part.json"]
    assert stat.S_IMODE((target.parent / "model.zip.part").stat().st_mode) == 0o600
    assert get(Wanted(address, 0, DIGEST), target) == DIGEST
    assert manners.starts()[-1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_sends_all_again(
    address: str, manners: Manners, target: Path
) -> None:
    manners.ranges, manners.cut_after = False, [300_000]
    assert get(Wanted(address, len(CONTENT), DIGEST), target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_begins_anew(
    address: str, manners: Manners, target: Path
) -> None:
    manners.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        get(Wanted(address), target)
    newer = CONTENT[::-1]
    manners.files["/model.zip"], manners.etag = newer, '"two"'
    get(Wanted(address), target)
    assert target.read_bytes() == newer


def test_a_part_of_another_version_is_never_joined(
    address: str, manners: Manners, target: Path
) -> None:
    manners.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        get(Wanted(address), target)
    newer = CONTENT[::-1]
    manners.files["/model.zip"], manners.etag, manners.joins_versions = newer, '"two"', True
    get(Wanted(address), target)
    assert target.read_bytes() == newer


def test_without_a_version_nothing_is_joined(address: str, manners: Manners, target: Path) -> None:
    manners.etag, manners.cut_after = "", [300_000]
    get(Wanted(address), target)
    assert manners.starts() == [None, None]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("shift", [-7, 7])
def test_a_range_that_was_not_asked_for(
    address: str, manners: Manners, target: Path, shift: int
) -> None:
    manners.cut_after, manners.shift_range = [300_000], shift
    assert get(Wanted(address, len(CONTENT), DIGEST), target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_a_length_that_is_too_long(address: str, manners: Manners, target: Path) -> None:
    manners.stated_length = len(CONTENT) + 5
    with pytest.raises(DamagedFileError, match="offers 1024005 bytes, the right file has 1024000"):
        get(Wanted(address, len(CONTENT), DIGEST), target)
    with pytest.raises(DownloadError, match="breaks off"):
        get(Wanted(address), target)
    assert not target.exists()


def test_a_length_that_is_too_short(address: str, manners: Manners, target: Path) -> None:
    manners.stated_length = 1000
    with pytest.raises(DamagedFileError, match="offers 1000 bytes"):
        get(Wanted(address, len(CONTENT), DIGEST), target)
    with pytest.raises(DamagedFileError, match="another file"):
        get(Wanted(address, 0, DIGEST), target)
    assert left_over(target) == []


def test_an_endless_answer_stops_at_the_limit(address: str, manners: Manners, target: Path) -> None:
    manners.endless = True
    for wanted in (Wanted(address, len(CONTENT)), Wanted(address, most_bytes=3_000_000)):
        with pytest.raises(DamagedFileError, match="more than"):
            get(wanted, target)
    assert left_over(target) == []


def test_a_size_far_beyond_the_model_is_refused_unread(address: str, target: Path) -> None:
    with pytest.raises(DamagedFileError, match="far more than the model"):
        get(Wanted(address, most_bytes=1000), target)
    assert left_over(target) == []


def test_no_stated_length(address: str, manners: Manners, target: Path) -> None:
    manners.no_length = True
    assert get(Wanted(address), target) == DIGEST


def test_the_wrong_file_is_removed(address: str, manners: Manners, target: Path) -> None:
    manners.files["/model.zip"] = CONTENT[::-1]
    with pytest.raises(DamagedFileError, match="another file.*expected " + DIGEST):
        get(Wanted(address, len(CONTENT), DIGEST), target)
    assert left_over(target) == []


def test_an_empty_file_is_no_file(address: str, manners: Manners, target: Path) -> None:
    manners.files["/model.zip"] = b""
    with pytest.raises(DamagedFileError, match="empty"):
        get(Wanted(address), target)
    assert left_over(target) == []


def test_refusals_are_told_apart(address: str, manners: Manners, target: Path) -> None:
    manners.statuses = [503, 429]
    assert get(Wanted(address), target) == DIGEST
    for status, cause in ((404, "no such file"), (403, "licence"), (401, "licence")):
        manners.statuses = [status]
        with pytest.raises(DownloadError, match=cause):
            get(Wanted(address), target)
    manners.statuses = [500] * 9
    with pytest.raises(DownloadError, match="answered 500"):
        get(Wanted(address), target)


def test_no_server_at_all(target: Path) -> None:
    with pytest.raises(DownloadError, match="check the network"):
        get(Wanted("http://127.0.0.1:9/model.zip"), target)


def test_only_encrypted_addresses(
    address: str, manners: Manners, target: Path, offline: None
) -> None:
    with pytest.raises(DownloadError, match="https"):
        get(Wanted("http://example.com/model.zip"), target)
    manners.redirect = "http://example.com/model.zip"
    with pytest.raises(DownloadError, match="example.com.*https"):
        get(Wanted(address), target)
    manners.redirect = "ftp://127.0.0.1/model.zip"
    with pytest.raises(DownloadError):
        get(Wanted(address), target)


def test_a_full_disk_is_found_before_the_transfer(
    address: str, manners: Manners, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DownloadError, match="are free; free .* more, or set SIGHTLINE_HOME"):
        get(Wanted(address), target)
    assert left_over(target) == []


def test_a_folder_that_cannot_be_written(address: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be written"):
        get(Wanted(address), tmp_path / "missing" / "model.zip")


def test_a_finished_part_is_only_checked(address: str, manners: Manners, target: Path) -> None:
    target.with_name("model.zip.part").write_bytes(CONTENT)
    assert get(Wanted(address, len(CONTENT), DIGEST), target) == DIGEST
    assert manners.requests == []


def test_a_damaged_part_is_found_and_fetched_anew_next_time(
    address: str, manners: Manners, target: Path
) -> None:
    manners.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        get(Wanted(address), target)
    target.with_name("model.zip.part").write_bytes(b"x" * 300_000)
    with pytest.raises(DamagedFileError):
        get(Wanted(address, len(CONTENT), DIGEST), target)
    assert get(Wanted(address, len(CONTENT), DIGEST), target) == DIGEST


def test_headers_do_not_follow_to_another_server(
    address: str, manners: Manners, target: Path
) -> None:
    elsewhere = Manners({"/model.zip": CONTENT})
    with serving(elsewhere) as other:
        manners.redirect = f"{other}/model.zip"
        get(Wanted(address, headers={"authorization": "Bearer token"}), target)
    assert manners.requests[0][1]["authorization"] == "Bearer token"
    assert "authorization" not in {name.lower() for name in elsewhere.requests[0][1]}


def test_a_server_that_is_not_there_is_told_without_numbers(target: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}/model.zip"
        with pytest.raises(DownloadError) as failed:
            get(Wanted(address), target)
    assert str(failed.value) == (
        f"{address}: the server cannot be reached or breaks off (Connection refused); check the "
        "network and give the command again"
    )


def test_attempts_have_an_end(
    address: str, manners: Manners, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_ATTEMPTS", 4)
    manners.cut_after = [10] * 9
    with pytest.raises(DownloadError, match="goes on after 40 bytes"):
        get(Wanted(address), target)
