"""`assistant models list`, `pull NAME` and `verify NAME`; pulling is all that ever goes online."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.errors import AssistantError, DamagedFileError, RecognizerError
from assistant.hearing.speech_models import ENGLISH, SpeechModel, library_of, spoken_language
from assistant.machine import size_text
from assistant.models_store.installed import (
    faults,
    is_installed,
    model_folder,
    models_folder,
    pulled_speech_models,
    read_record,
    speech_model,
)
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from assistant.text.languages import name_of
from models.catalog import (
    CatalogModel,
    HubSource,
    ModelKind,
    find_model,
    known_models,
    source_name,
)

DONE, DAMAGED = 0, 1

FIRST_REPORT_S, NEXT_REPORTS_S = 10.0, 30.0
"""When a long download is first spoken of, and how often then."""

EXIT_CODES = """\
exit codes:
  0  done
  1  verify: a file is missing or damaged
  2  nothing was installed: no such model, no network, no room, or the file was not the right one
  130  stopped with Ctrl+C; the same command goes on where it stopped
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `assistant models`."""
    parser.description = "Lists, fetches and checks models. Only pull goes online."
    parser.epilog = EXIT_CODES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="{list,pull,verify}")
    _verb(verbs, "list", "say which models there are, their size and licence", _list, named=False)
    puller = _verb(verbs, "pull", "fetch a model, check it and install it", _pull)
    puller.set_defaults(goes_online=True)
    puller.add_argument("--again", action="store_true", help="fetch it also if it is installed")
    _verb(verbs, "verify", "compare an installed model with the digests of its pull", _verify)


def _verb(
    verbs: "argparse._SubParsersAction[Any]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    *,
    named: bool = True,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    if named:
        parser.add_argument("name", metavar="NAME", help="a name that list shows")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    parser.set_defaults(run=run)
    return parser


def _list(options: argparse.Namespace) -> int:
    entries = [_entry(model) for model in known_models()]
    if options.json:
        print(json.dumps({"schema_version": 1, "models": entries}))
        return DONE
    for model, entry in zip(known_models(), entries, strict=True):
        state = "installed" if entry["installed"] else "not installed"
        print(f"{model.name}: {model.title}. {size_text(model.download_bytes)}, {state}.")
        print(f"  {_needs(model)}licence: {model.licence}, {model.licence_address}")
    print("Assistant doctor says which picture model fits this machine.")
    print("Get one with: assistant models pull NAME")
    return DONE


def _needs(model: CatalogModel) -> str:
    """What using a model takes of memory, to stand in front of something; "" where nobody says."""
    if not model.memory_bytes:
        return ""
    smaller = " in 4 bits" if model.kind is ModelKind.TEXT or _is_large(model) else ""
    return f"takes {size_text(model.memory_bytes)} of memory{smaller}; "


def _is_large(model: CatalogModel) -> bool:
    """True for a picture model whose memory was measured in 4 bits: less than its download."""
    return model.kind is ModelKind.VISION and model.memory_bytes < model.download_bytes


def _entry(model: CatalogModel) -> dict[str, object]:
    installed = is_installed(model.name)
    source = model.source
    digest = None if isinstance(source, HubSource) else source.sha256 or None
    return {
        "name": model.name,
        "title": model.title,
        "kind": model.kind.value,
        "languages": list(model.languages),
        "licence": model.licence,
        "licence_address": model.licence_address,
        "download_bytes": model.download_bytes,
        "memory_bytes": model.memory_bytes,
        "source": source_name(source),
        "sources": [source_name(each) for each in model.sources],
        "sha256": digest,
        "installed": installed,
        "folder": str(model_folder(model.name)) if installed else None,
    }


def _pull(options: argparse.Namespace) -> int:
    # The network library is loaded by this one command only.
    from assistant.models_store.pulling import pull

    model = find_model(options.name)
    reporter = Reporter(as_json=options.json)
    if is_installed(model.name) and not options.again:
        reporter.say(f"{model.name} is installed already; check it with verify, or add --again")
        return DONE
    reporter.say(f"licence: {model.licence}, {model.licence_address}")
    folder = pull(model, reporter.say, reporter.progress)
    reporter.say(f"{model.name} is installed in {folder}; {_next_step(model, folder)}")
    return DONE


def _next_step(model: CatalogModel, folder: Path) -> str:
    """What the user does with a model that was just brought."""
    if any(folder.glob("*.gguf")):
        return (
            f"make a folder of it with quantizer import {model.name} FOLDER, make that small with "
            "quantizer run, and name the result with the setting text_model.folder"
        )
    if model.kind is ModelKind.TEXT or _is_large(model):
        setting = "text_model.folder" if model.kind is ModelKind.TEXT else "model.folder"
        return (
            f"make it small with scripts/quantize {model.name}, or with quantizer run, and then "
            f"name the result with the setting {setting}"
        )
    settings, _ = load_settings(settings_file())
    if model.kind is ModelKind.SPEECH:
        return _hears_next(model, folder, settings)
    if model.kind is ModelKind.VISION and settings.model_folder:
        other = _to_use("model.folder", '""')
        return f"the setting model.folder names another one; {other}"
    return "it is used from the next start"


def _hears_next(model: CatalogModel, folder: Path, settings: Settings) -> str:
    """Whether a speech model that was just brought hears from the next start, or what would."""
    recognizer, language = settings.hearing_recognizer, settings.hearing_language
    try:
        used = speech_model(settings.vosk_folder, recognizer, language)
    except RecognizerError as error:
        return f"but {error}"
    if used == folder:
        spoken = spoken_language(language, pulled_speech_models())
        other = "" if spoken == ENGLISH else f", which then hears {name_of(spoken)}"
        return f"it is used from the next start{other}"
    named = "PocketSphinx" if used is None else used.name
    if used is not None and used.parent != models_folder():
        wanted = _to_use("vosk.folder", f'"{folder}"')
    elif not SpeechModel(folder, model.languages).fits(
        spoken_language(language, pulled_speech_models())
    ):
        wanted = _to_use("hearing.language", f'"{model.languages[0]}"')
    else:
        wanted = _to_use("hearing.recognizer", f'"{library_of(folder).value}"')
    return f"the next start hears with {named}; {wanted}"


def _to_use(setting: str, value: str) -> str:
    return f"to use this one, type in a conversation: /set {setting} {value}"


def _verify(options: argparse.Namespace) -> int:
    model = find_model(options.name)
    try:
        found = list(faults(model))
        record = read_record(model.name)
    except OSError as error:
        raise AssistantError(
            f"{model_folder(model.name)}: cannot be read ({error.strerror})", "check who owns it"
        ) from error
    except DamagedFileError as error:
        found, record = [str(error)], None
    if options.json:
        print(json.dumps({"schema_version": 1, "name": model.name, "faults": found}))
        return DAMAGED if found else DONE
    for line in found:
        print(f"error: {line}")
    if found:
        if is_installed(model.name):
            print(f"Get it again with: assistant models pull {model.name} --again")
        return DAMAGED
    count = len(record.files) if record else 0
    print(f"{model.name}: all {count} files are as they were when they were pulled")
    return DONE


class Reporter:
    """Prints each step, and of a long download now and then how far it is."""

    def __init__(self, *, as_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._as_json = as_json
        self._clock = clock
        self._next_s = clock() + FIRST_REPORT_S

    def say(self, text: str) -> None:
        print(json.dumps({"status": text}) if self._as_json else f"status: {text}", flush=True)

    def progress(self, here_bytes: int, whole_bytes: int | None) -> None:
        now = self._clock()
        if now < self._next_s:
            return
        self._next_s = now + NEXT_REPORTS_S
        if self._as_json:
            print(json.dumps({"here_bytes": here_bytes, "whole_bytes": whole_bytes}), flush=True)
        elif whole_bytes:
            share = int(100 * here_bytes / whole_bytes)
            self.say(f"{share} percent, {size_text(here_bytes)} of {size_text(whole_bytes)}")
        else:
            self.say(f"{size_text(here_bytes)} so far")
