"""How commands end: signals, streams that are closed, full or without a reader, no memory."""

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models import endings
from models.system_errors import is_out_of_memory, way_out

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")
ASSISTANT = [sys.executable, "-m", "assistant.cli"]
PATIENCE_S = 60
CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
LOST = "error: the output cannot be written ({}); what was printed is lost\n"
FULL = LOST.format("No space left on device")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, in which $A is the command."""
    names = {"A": " ".join(ASSISTANT)}
    return subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **names},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("command", "code", "err"),
    [
        ("$A models list >/dev/full", 74, FULL),
        ("$A models list >&-", 74, LOST.format("it is closed")),
        ("$A models list >&- 2>&-", 74, ""),
        ("$A models list | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("PYTHONUNBUFFERED=1 $A models list >/dev/full", 74, FULL),
        ("$A models verify vosk-small-en >/dev/full", 1, FULL),
        ("$A nonsense 2>&-", 2, ""),
        ("$A nonsense 2>/dev/full", 2, ""),
        ("$A --help >/dev/full", 74, FULL),
        ("$A --plain --no-speech --camera none <&-", 0, ""),
        ("$A --json --no-speech --camera none >/dev/full", 74, FULL),
        ("$A --plain --no-speech --camera none | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)  # fmt: skip
def test_streams_of_the_assistant(command: str, code: int, err: str) -> None:
    done = shell(command)
    assert (done.returncode, done.stderr) == (code, err)


def test_what_a_library_prints_never_lands_in_a_file_of_ours(tmp_path: Path) -> None:
    """With standard output closed, the next file that is opened would get its number."""
    script = (
        "import os, sys\n"
        "from models import endings\n"
        "endings.begin()\n"
        "file = open(sys.argv[1], 'wb')\n"
        "os.write(1, b'printed by a library')\n"
        "file.write(b'ours'); file.close()\n"
    )
    subprocess.run(
        ["bash", "-c", '"$@" >&- <&- 2>&-', "-", sys.executable, "-c", script, tmp_path / "file"],
        check=True,
        timeout=PATIENCE_S,
    )
    assert (tmp_path / "file").read_bytes() == b"ours"


# Signals

# Sends a signal to itself when a module is about to be imported.
_AT_IMPORT = """
import builtins, os, runpy, signal, sys
number, module, command = getattr(signal, sys.argv[1]), sys.argv[2], sys.argv[3]
sys.argv = sys.argv[3:]
original = builtins.__import__

def watched(name, *rest, **more):
    if name.split(".")[0] == module:
        builtins.__import__ = original
        os.kill(os.getpid(), number)
    return original(name, *rest, **more)

from importlib import import_module
main = import_module(command).main
builtins.__import__ = watched
sys.exit(main())
"""


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize(
    ("command", "module"),
    [("quantizer.cli --help", "torch"), ("assistant.cli read missing.png", "numpy")],
)
def test_a_signal_during_the_imports(name: str, command: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AT_IMPORT, name, module, *command.split()],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == CODES[name]
    assert done.stderr.startswith("stopped") and done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "front"),
    [
        ("SIGTERM", "--json"),
        *(
            pytest.param(name, front, marks=pytest.mark.slow)
            for name in CODES
            for front in ("--json", "--plain")
            if (name, front) != ("SIGTERM", "--json")
        ),
    ],
)
def test_a_signal_ends_a_conversation_in_order(name: str, front: str) -> None:
    with subprocess.Popen(
        [*ASSISTANT, front, "--no-speech", "--camera", "none"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == CODES[name]
    assert err.startswith("stopped") and err.count("\n") == 1


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """nohup ignores the end of the terminal for the programs that it starts."""
    script = (
        "import os, signal\n"
        "from models import endings\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "endings.begin(); os.kill(os.getpid(), signal.SIGHUP)\n"
        "endings.stop_by_exception(); os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, b"here\n")


def test_a_second_signal_ends_what_does_not_end() -> None:
    script = (
        "import os, signal, sys, time\n"
        "from models import endings\n"
        "def body():\n"
        "    endings.stop_by_exception()\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n"
        "    finally: os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "sys.exit(endings.run(body))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (130, b"stopped with Ctrl+C\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", CODES)
def test_the_full_screen_gives_the_terminal_back(name: str) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        os.execv(sys.executable, [*ASSISTANT, "--tui", "--no-speech", "--camera", "none"])
    shown, sent, until = b"", False, time.monotonic() + PATIENCE_S
    with contextlib.suppress(OSError):  # the terminal of a process that has ended
        while time.monotonic() < until:
            if select.select([terminal], [], [], 1.0)[0]:
                shown += os.read(terminal, 65536)
            elif b"\x1b[?1049h" in shown and not sent:  # it is quiet: all is drawn
                sent = True
                os.kill(child, getattr(signal, name))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    assert code == CODES[name]
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"\x1b[?1049h")
    assert b"stopped" in shown.splitlines()[-1]


# In one process


def test_help_tells_every_code() -> None:
    from assistant.commands.exits import EXIT_CODES
    from quantizer.cli import EXIT_CODES as OF_THE_QUANTIZER

    for text in (EXIT_CODES, OF_THE_QUANTIZER):
        for code in (endings.NO_RESOURCES, endings.OUTPUT_LOST, *CODES.values()):
            assert f"\n  {code}  " in text


def test_finish_without_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    print("all is well")
    assert endings.finish(0) == 0 and endings.finish(2) == 2
    assert capsys.readouterr() == ("all is well\n", "")
    assert endings.finish(0, OSError(32, "Broken pipe")) == 0
    assert endings.finish(0, OSError(28, "No space left on device")) == 74
    assert capsys.readouterr().err == FULL


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("can't start new thread"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (ValueError("std::bad_alloc"), True),
        (OSError(28, "No space left on device"), False),
        (ValueError("a memory of summer"), False),
    ],
)  # fmt: skip
def test_low_memory_is_known_by_whatever_name(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) == short
    try:
        try:
            raise error
        except Exception as inner:
            raise KeyError("wrapped") from inner
    except KeyError as outer:
        assert is_out_of_memory(outer) == short


def test_advice_fits_the_cause() -> None:
    told = {number: way_out(OSError(number, os.strerror(number))) for number in (28, 30, 13, 12, 5)}
    assert len(set(told.values())) == 5
    assert [number for number, text in told.items() if "free space" in text] == [28]


# A home that cannot be written, that is full; little memory


def unshared(script: str) -> subprocess.CompletedProcess[str]:
    """Run lines of the shell as the owner of a name space, in which disks can be mounted."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
        ).returncode
    ):
        pytest.skip("this system lets nobody mount")
    done = shell(f"unshare -rm bash -c '{script}'")
    assert "Traceback" not in done.stderr
    return done


MOUNT = "mkdir -p $SIGHTLINE_HOME; mount -t tmpfs -o size={} none $SIGHTLINE_HOME; "
READ_ONLY = "mount -o remount,ro $SIGHTLINE_HOME; "
SAVE = 'export SIGHTLINE_PASSPHRASE="correct horse battery"; '
TALK = 'printf "{}\\n" | $A --plain --no-speech --camera none; '


@pytest.mark.slow
def test_a_home_that_can_only_be_read() -> None:
    done = unshared(MOUNT.format("9M") + READ_ONLY + TALK.format("/set verbosity 2"))
    assert done.returncode == 0
    assert "Read-only file system" in done.stdout and "free space" not in done.stdout
    done = unshared(MOUNT.format("9M") + READ_ONLY + "$A models pull vosk-small-en")
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr and "free space" not in done.stderr


@pytest.mark.slow
def test_a_full_disk_is_called_full() -> None:
    fill = "mkdir -p $SIGHTLINE_HOME/config; head -c 9M /dev/zero >$SIGHTLINE_HOME/fill; "
    done = unshared(MOUNT.format("1M") + fill + TALK.format("/set verbosity 2"))
    assert "No space left on device" in done.stdout and "free space" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [100, 300, 600, 1000, 1500, 2500])
def test_little_memory_is_called_so(megabytes: int, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2000, 1500), "white").save(tmp_path / "page.png")
    done = shell(f"ulimit -v {megabytes * 1024}; $A read {tmp_path / 'page.png'} --no-speech")
    if done.returncode in (0, 1, 2) and "memory" not in done.stderr:
        return  # enough for this one
    assert "Traceback" not in done.stderr
    assert "try another picture" not in done.stderr + done.stdout
    assert done.returncode in (2, 71), done.stderr
    assert "not enough memory" in done.stderr
