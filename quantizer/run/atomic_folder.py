"""A folder that appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantizer.run.output import check_output


@contextmanager
def appearing_folder(out: Path) -> Iterator[Path]:
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
