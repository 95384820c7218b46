"""Files that people and programs hand over: pictures, sound, settings, lists, results, memory."""

import io
import json
import random
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from assistant.audio import AudioClip, read_clip, read_question, write_wav
from assistant.errors import AssistantError, SettingsError, UsageError
from assistant.memory import keys as memory_keys
from assistant.memory.keys import PassphraseKey
from assistant.memory.store import Memory
from assistant.settings.file import load_settings, save_setting, wrong_text
from assistant.settings.settings import KEYS
from assistant.settings.settings import Settings as AssistantSettings
from assistant.ui.lines import parse_line
from models.catalog import read_catalog
from models.pictures import FORMATS, load_picture
from quantizer.calibration.pictures import read_questions, read_records
from quantizer.calibration.texts import read_documents
from quantizer.evaluate.results import read_result, write_result
from quantizer.evaluate.sentiment_data import read_sentiment
from quantizer.recipes.recipe import read_recipe
from quantizer.run.progress import FinishedRecord, ShardLayout, unfinished_work
from tests.faults.forked import SilentError
from tests.faults.mutations import (
    damage_file,
    damage_json,
    damage_lines,
    damage_text,
    damage_toml,
)

_PASSPHRASE = "correct horse battery"
_RUN = {"version": "x", "model": "m", "settings": {"bits": 4, "group_size": 16}}
_BLOCKS = 3


def make_pictures(folder: Path) -> None:
    """One small picture of every format that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    smooth = Image.fromarray(pixels).resize((64, 48))
    for form in FORMATS:
        smooth.save(folder / f"x.{form.lower()}", form)
    smooth.save(folder / "progressive.jpeg", "JPEG", progressive=True, exif=_exif())
    smooth.convert("P").save(folder / "palette.png", "PNG")
    smooth.convert("L").save(folder / "gray.tiff", "TIFF", compression="tiff_lzw")
    smooth.convert("RGBA").save(folder / "clear.webp", "WEBP", lossless=True)
    smooth.convert("CMYK").save(folder / "print.jpeg", "JPEG")
    smooth.save(folder / "x.pdf", "PDF")


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def use_picture(folder: Path) -> None:
    """Read the picture; what Pillow cannot decode must not come through."""
    (path,) = folder.iterdir()
    rgb = load_picture(path)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise SilentError(f"a picture of shape {rgb.shape} and {rgb.dtype}")
    if path.suffix == ".pdf" or path.read_bytes()[:1024].find(b"%PDF") >= 0:
        return
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as opened:
            opened.load()
    except Exception as error:  # whatever the library raises, it refuses
        raise SilentError(f"Pillow refuses it: {error}") from error


def make_sound(folder: Path) -> None:
    """A question of half a second, and the same with a chunk in front of its samples."""
    tone = (8000 * np.sin(np.arange(8000) / 9)).astype(np.int16)
    write_wav(folder / "plain.wav", AudioClip(tone, 16_000))
    data = (folder / "plain.wav").read_bytes()
    listed = data[:36] + b"LIST" + (26).to_bytes(4, "little") + b"INFOISFT" + bytes(18) + data[36:]
    (folder / "listed.wav").write_bytes(listed)


def use_sound(folder: Path) -> None:
    """Read a question and a clip; what the standard library refuses must not come through."""
    (path,) = folder.iterdir()
    read = 0
    for reader in (read_clip, read_question):
        try:
            clip = reader(path)
        except AssistantError:
            if reader is read_question and not read:
                raise
            continue
        read += 1
        if clip.samples.dtype != np.int16 or clip.rate_hz <= 0:
            raise SilentError(f"samples {clip.samples.dtype} at {clip.rate_hz} Hz")
    try:
        with wave.open(str(path), "rb") as recording:
            recording.readframes(1)
    except Exception as error:
        raise SilentError(f"wave refuses it: {error}") from error


def make_settings(folder: Path) -> None:
    """Every setting with its default, as the first save writes it."""
    save_setting(folder / "settings.toml", AssistantSettings(), sorted(KEYS)[0])


def use_settings(folder: Path) -> None:
    """Read the file as at a start: nothing stops it, every complaint is one line."""
    path = folder / "settings.toml"
    _, wrong = load_settings(path)
    if wrong:
        lines = wrong_text(path, wrong).splitlines()
        raise SettingsError("; ".join(lines[:3]), "")


def make_questions(folder: Path) -> None:
    """Two pictures and their questions."""
    lines = []
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
        for question in ("What colour?", "How many?"):
            record = {"picture": name, "question": question, "answer": "1", "skill": "count"}
            lines.append(json.dumps(record))
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")


def use_questions(folder: Path) -> None:
    """Read as evaluation and as calibration."""
    read_questions(folder)
    for record in read_records(folder):
        record.turns()


def make_labelled(folder: Path) -> None:
    """Labelled texts as JSON Lines."""
    lines = [json.dumps({"text": f"text {n}", "label": "positive"}) for n in range(6)]
    (folder / "x.jsonl").write_text("\n".join(lines) + "\n")


def use_labelled(folder: Path) -> None:
    """Read as labelled text, and as text alone."""
    read_sentiment(folder / "x.jsonl")
    read_documents(folder / "x.jsonl")


def make_orders(folder: Path) -> None:
    """What a program sends the assistant line by line."""
    orders = (
        {"question": "What is it?", "picture": "a.png"},
        {"command": "open", "argument": "b.png"},
        {"question": "How many?"},
    )
    (folder / "x.jsonl").write_text("\n".join(map(json.dumps, orders)) + "\n")


def use_orders(folder: Path) -> None:
    """Parse every line; each may be refused on its own."""
    refused = None
    for line in (folder / "x.jsonl").read_text("utf-8", errors="replace").split("\n"):
        try:
            parse_line(line, as_json=True)
        except UsageError as error:
            refused = error
    if refused is not None:
        raise refused


def make_catalog(folder: Path) -> None:
    """The shipped catalog."""
    import models.catalog

    shipped = Path(models.catalog.__file__).with_name("catalog.toml")
    (folder / "catalog.toml").write_bytes(shipped.read_bytes())


def make_recipe(folder: Path) -> None:
    """A shipped recipe."""
    import quantizer.recipes.recipe as recipes

    shipped = sorted(Path(recipes.__file__).parent.glob("*.toml"))[0]
    (folder / "recipe.toml").write_bytes(shipped.read_bytes())


def make_result(folder: Path) -> None:
    """A result of an evaluation."""
    result = {
        "task": "perplexity", "protocol": "standard", "items": 3, "value": 4.2,
        "interval_95": [4.0, 4.4], "model": "m", "seconds": 1.0, "losses": [1.0, 1.2, 1.1],
        "data_sha256": "0" * 64, "items_sha256": "0" * 64, "seq_len": 16, "limit": None,
        "dtype": "float32",
    }  # fmt: skip
    write_result(folder / "x.json", result)


def use_result(folder: Path) -> None:
    """Read it, and compare it with a sound one."""
    from quantizer.evaluate.paired import check_same_method, in_words, paired

    earlier = read_result(folder / "x.json")
    make_result(folder)
    now = read_result(folder / "x.json")
    check_same_method(now, earlier)
    in_words(paired(now, earlier))


def make_memory(folder: Path) -> None:
    """An encrypted memory with two things in it."""
    memory_keys.SCRYPT_COST = 2**4
    memory = Memory(folder, PassphraseKey(_PASSPHRASE), enabled=True)
    memory.remember("my blue folder", "Tax office\nnumber 12/345")
    memory.remember("kitchen table", "a mug, my keys and a letter")
    memory.close()


def use_memory(folder: Path) -> None:
    """Search, list and add."""
    memory_keys.SCRYPT_COST = 2**4
    memory = Memory(folder, PassphraseKey(_PASSPHRASE), enabled=True)
    try:
        memory.search("where are my keys")
        memory.latest()
        memory.remember("more", "a cup")
    finally:
        memory.close()


def make_progress(folder: Path) -> None:
    """Two finished blocks of three, as an interrupted run leaves them."""
    with unfinished_work(folder / "out") as work:
        work.begin(_RUN, ShardLayout(_BLOCKS, 1, True), restart=False)
        for index in range(2):
            work.shard(index).write_bytes(b"x")
            digests = {f"layers.{index}.{name}": f"{index}" * 64 for name in ("q", "k")}
            report = [{"name": name, "seconds": 1.0} for name in digests]
            work.record(FinishedRecord(f"layers.{index}", digests, "0" * 64, report, 1.5))


def use_progress(folder: Path) -> None:
    """Continue, finish, and look at every record that was taken for whole."""
    with unfinished_work(folder / "out") as work:
        records = work.begin(_RUN, ShardLayout(_BLOCKS, 1, True), restart=False)
        for index, record in enumerate(records):
            sound = {f"layers.{index}.{name}": f"{index}" * 64 for name in ("q", "k")}
            if record.digests != sound or record.block != f"layers.{index}":
                raise SilentError(f"a damaged line was believed: {record}")
            if record.states != "0" * 64 or record.seconds != 1.5:
                raise SilentError(f"a damaged line was believed: {record}")


def _only(folder: Path, rng: random.Random) -> Path:
    """Keep one of the files of a folder."""
    files = sorted(folder.iterdir())
    kept = rng.choice(files)
    for path in files:
        if path != kept:
            path.unlink()
    return kept


def damage_one(rng: random.Random, folder: Path) -> None:
    """Keep one file and damage its bytes."""
    damage_file(rng, _only(folder, rng))


def damage_grammar(
    name: str, change: Callable[[random.Random, str], str]
) -> Callable[[random.Random, Path], None]:
    """Damage a named text file."""
    return lambda rng, folder: damage_text(rng, folder / name, change)


def damage_memory(rng: random.Random, folder: Path) -> None:
    """Damage the database or the file beside it that tells how its key is made."""
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    if path.suffix == ".json":
        damage_text(rng, path, damage_json)
    else:
        damage_file(rng, path)


def damage_progress(rng: random.Random, folder: Path) -> None:
    """Damage what an interrupted run remembers."""
    path = next(folder.rglob(rng.choice(("progress.jsonl", "progress.jsonl", "run.json"))))
    damage_text(rng, path, damage_lines if path.suffix == ".jsonl" else damage_json)


MAKERS: dict[
    str,
    tuple[
        Callable[[Path], None],
        Callable[[random.Random, Path], None],
        Callable[[Path], object],
    ],
] = {
    "pictures": (make_pictures, damage_one, use_picture),
    "sound": (make_sound, damage_one, use_sound),
    "settings": (make_settings, damage_grammar("settings.toml", damage_toml), use_settings),
    "questions": (make_questions, damage_grammar("questions.jsonl", damage_lines), use_questions),
    "labelled": (make_labelled, damage_grammar("x.jsonl", damage_lines), use_labelled),
    "orders": (make_orders, damage_grammar("x.jsonl", damage_lines), use_orders),
    "catalog": (
        make_catalog,
        damage_grammar("catalog.toml", damage_toml),
        lambda folder: read_catalog(folder / "catalog.toml"),
    ),
    "recipe": (
        make_recipe,
        damage_grammar("recipe.toml", damage_toml),
        lambda folder: read_recipe(str(folder / "recipe.toml")),
    ),
    "results": (make_result, damage_grammar("x.json", damage_json), use_result),
    "memory": (make_memory, damage_memory, use_memory),
    "progress": (make_progress, damage_progress, use_progress),
}
