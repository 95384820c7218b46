"""The output folder: whose it is, what comes from the source unchanged, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantizer.errors import OutputError
from quantizer.report.report import REPORT_FILE, REPORT_TEXT, files_of_report

# Tokenizers of every form, chat templates, processors, code that config.json's auto_map names,
# licences and notes.
_SMALL_PATTERNS = (
    "*.json",
    "*.jinja",
    "*.model",
    "*.tiktoken",
    "*.py",
    "merges.txt",
    "vocab.txt",
    "tokenizer.*",
    "*LICENSE*",
    "*LICENCE*",
    "*license*",
    "*licence*",
    "COPYING*",
    "NOTICE*",
    "Notice*",
    "USE_POLICY*",
    "README*",
    "*.md",
)
_SMALL_FOLDERS = ("additional_chat_templates",)
_LARGEST_BYTES = 256 * 2**20  # of such a file; a larger one is no setting, vocabulary or note
_NOT_COPIED = ("config.json", "quantize_config.json", REPORT_FILE, REPORT_TEXT)
_OF_ANOTHER_MODEL = ("skills.json", "CARD.md")  # what was measured on the source


def check_output(out: Path) -> None:
    """Refuse an output folder that is not new, empty, or an earlier result of ours.

    Raises:
        OutputError: the path is a file or a mount point, or holds files that no run of ours
            wrote.
    """
    if not out.exists():
        return
    if os.path.ismount(out):
        raise OutputError(
            f"{out}: is a mount point, which cannot be replaced whole; give a new folder inside it"
        )
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; give a new or empty folder")
    present = {path.name for path in out.iterdir()}
    if not present:
        return
    ours = files_of_report(out)
    if ours is None:
        raise OutputError(f"{out}: exists and is not ours; give a new or empty folder")
    foreign = sorted(present - set(ours))
    if foreign:
        raise OutputError(
            f"{out}: also holds {foreign[0]}, which is not ours; move it or give a new folder"
        )


def copy_small_files(source: Path, target: Path) -> None:
    """Copy what belongs to a model beside its weights: tokenizer, chat templates, processors,
    generation settings, code, licence and notes.

    Weights, their index and figures that were measured on the source stay behind.
    """
    for pattern in _SMALL_PATTERNS:
        for path in sorted(source.glob(pattern)):
            skipped = path.name in (*_NOT_COPIED, *_OF_ANOTHER_MODEL)
            skipped = skipped or path.name.endswith(".index.json")
            if path.is_file() and not skipped and path.stat().st_size <= _LARGEST_BYTES:
                shutil.copyfile(path, target / path.name)
    for name in _SMALL_FOLDERS:
        for path in sorted((source / name).glob("*.jinja")):
            if path.is_file():
                (target / name).mkdir(exist_ok=True)
                shutil.copyfile(path, target / name / path.name)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Give a temporary sibling folder that becomes ``out`` if the body succeeds.

    Whatever goes wrong, ``out`` is left as it was and the temporary folder is removed.

    Raises:
        OutputError: see ``check_output``; checked before and again after the body.
    """
    check_output(out)
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.unfinished-", dir=out.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes private folders; a report is not private
        yield temporary
        check_output(out)
        _replace(out, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(out: Path, new: Path) -> None:
    if not out.exists():
        new.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old-", dir=out.parent)) / out.name
    try:
        out.rename(old)
        try:
            new.rename(out)
        except OSError:
            old.rename(out)
            raise
    finally:
        shutil.rmtree(old.parent)
