"""`assistant memory`: list, search, export and delete what was saved, without a conversation."""

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from assistant.errors import MemoryKeyError, UsageError
from assistant.memory.keys import KeyringKey
from assistant.memory.notebook import (
    MOST_KEPT,
    PASSPHRASE_VARIABLE,
    REASONS,
    find_key,
    memory_folder,
)
from assistant.memory.search import Remembered, is_name
from assistant.memory.store import Memory
from assistant.text.printable import printable

DONE = 0

LONGEST_BEGINNING = 120
"""Characters of a text that a list gives; `read` gives all."""

EXIT_CODES = f"""\
The key comes from the system's keyring, else from a passphrase, which is asked for or taken from
the variable {PASSPHRASE_VARIABLE}.

exit codes:
  0  done, also where nothing was found
  2  not done: no key, a wrong passphrase, a damaged file, no such number or name, or nobody
     could be asked before something is deleted
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `assistant memory`."""
    parser.description = "Lists, searches, exports and deletes what you saved."
    parser.epilog = EXIT_CODES
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="{list,search,read,export,forget,forget-all}"
    )
    for name, summary, run in (
        ("list", "say what was saved, latest first", _list),
        ("search", "find what was saved", _search),
        ("export", "write all to a new file, one JSON object a line, not encrypted", _export),
        ("read", "say all of one thing, by its number or its name", _read),
        ("forget", "delete one thing; asks before", _forget),
        ("forget-all", "delete everything and the key; needs no passphrase; asks", _forget_all),
    ):
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        verb.add_argument("--json", action="store_true", help="print JSON, for programs")
        verb.add_argument("--verbose", action="store_true", help="log what is done")
        verb.set_defaults(run=run)
    verbs.choices["search"].add_argument("query", metavar="QUERY", help="words, or a question")
    verbs.choices["export"].add_argument("file", type=Path, metavar="FILE")
    verbs.choices["forget"].add_argument("number", metavar="NUMBER", help="as in list")
    verbs.choices["read"].add_argument("name", metavar="NAME", nargs="+", help="or its number")
    for name in ("forget", "forget-all"):
        verbs.choices[name].add_argument(
            "--yes", action="store_true", help="delete without asking, for scripts"
        )


def _list(options: argparse.Namespace) -> int:
    memory = _open()
    _show(memory.latest(most=MOST_KEPT) if memory else [], options, "nothing is saved")
    return DONE


def _search(options: argparse.Namespace) -> int:
    memory = _open()
    _show(memory.search(options.query) if memory else [], options, "nothing fits")
    return DONE


def _export(options: argparse.Namespace) -> int:
    memory = _open()
    count = memory.export(options.file) if memory else 0
    if memory is None:
        _say("nothing is saved; no file was written", options)
        return DONE
    things = "1 thing is" if count == 1 else f"{count} things are"
    _say(f"{things} in {options.file}, which is not encrypted", options)
    return DONE


def _read(options: argparse.Namespace) -> int:
    memory = _open()
    asked = " ".join(options.name)
    found = [
        thing
        for thing in (memory.latest(most=MOST_KEPT) if memory else [])
        if (thing.id == int(asked) if asked.isdecimal() else is_name(asked, thing.name))
    ]
    if not found:
        raise UsageError(f"{asked}: nothing is saved under that", "see assistant memory list")
    if options.json:
        _show(found, options, "")
    else:
        for thing in found:
            print(printable(f"{thing.id}: {_head(thing)}.\n{thing.text}"))
    return DONE


def _forget(options: argparse.Namespace) -> int:
    if not options.number.isdecimal():
        raise UsageError(f"{options.number}: not a number", "see assistant memory list")
    memory = _open()
    if memory is None:
        _say("nothing is saved", options)
        return DONE
    found = [thing for thing in memory.latest(most=MOST_KEPT) if thing.id == int(options.number)]
    if found and not _agreed(f"number {found[0].id}, {_head(found[0])}", options):
        return DONE
    memory.forget(int(options.number))
    _say(f"number {int(options.number)} is deleted", options)
    return DONE


def _forget_all(options: argparse.Namespace) -> int:
    if not _agreed("everything that was saved; it cannot be undone", options):
        return DONE
    # The file goes without being opened; only a key in the keyring has to be removed as well.
    Memory(memory_folder(), KeyringKey()).forget_all()
    _say("everything that was saved is deleted", options)
    return DONE


def _agreed(what: str, options: argparse.Namespace) -> bool:
    """Ask once before anything is deleted.

    Raises:
        UsageError: nobody can be asked.
    """
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nothing is deleted: nobody can be asked here", "add --yes")
    answer = input(f"Delete {printable(what)}? Type yes or no: ").strip().lower()
    if answer in ("yes", "y"):
        return True
    _say("nothing is deleted", options)
    return False


def _head(thing: Remembered) -> str:
    when = thing.saved_at.astimezone().strftime("%d %B %Y, %H:%M")
    return f"{thing.name}, saved {when}"


def _open() -> Memory | None:
    """The memory for the user's own hands, also while saving is off; None if there is none."""
    folder = memory_folder()
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    return Memory(folder, find_key(folder, _ask_passphrase), enabled=True)


def _ask_passphrase(new: bool) -> str:
    if not sys.stdin.isatty():
        raise MemoryKeyError("a passphrase is needed", f"set {PASSPHRASE_VARIABLE}")
    return getpass.getpass("Passphrase of what you saved: ")


def _show(found: Sequence[Remembered], options: argparse.Namespace, nothing: str) -> None:
    if options.json:
        entries = [
            {
                "id": thing.id,
                "name": thing.name,
                "text": thing.text,
                "saved_at": thing.saved_at.isoformat(),
                "line": thing.line,
                "found_by": thing.found_by.value if thing.found_by else None,
            }
            for thing in found
        ]
        print(json.dumps({"schema_version": 1, "found": entries}))
        return
    for thing in found:
        text = " ".join(thing.said.split())
        if len(text) > LONGEST_BEGINNING:
            text = f"{text[:LONGEST_BEGINNING].rpartition(' ')[0]} \u2026"
        said = f"{thing.id}: {_head(thing)}. {text} {REASONS[thing.found_by]}"
        print(printable(said.rstrip()))
    if not found:
        print(nothing[0].upper() + nothing[1:] + ".")


def _say(text: str, options: argparse.Namespace) -> None:
    print(json.dumps({"status": text}) if options.json else f"status: {text}")
