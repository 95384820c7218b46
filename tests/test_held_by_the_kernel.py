"""The whole program with internet sockets given up: what must go on goes on, nothing else can."""

import json
import os
import pty
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.hearing.recognizer_process import RecognizerProcess
from assistant.models_store.offer import offers
from assistant.session.fetching import HOW
from tests.assistant.devices import conftest as streams
from tests.assistant.inference.fake_model_server import says, serving

stream = streams.stream

HELD, FREE = "2", "0"
"""The kernel's numbers for a process with a filter, and for one without."""


@pytest.fixture(autouse=True, scope="module")
def permitted() -> None:
    """A machine on which the filter can be installed; without, all is skipped."""
    script = "from models.socket_filter import give_up_internet; print(give_up_internet().why_not)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.stdout.strip() or done.returncode:
        pytest.skip(f"not possible here: {done.stdout.strip()}")


class Program:
    """The assistant in a process of its own, with lines of JSON."""

    def __init__(self, home: Path, *options: str, settings: str = "", **more: str) -> None:
        """settings: the text of their file; "" for the first start."""
        home.mkdir(mode=0o700)
        if settings:
            (home / "config").mkdir(mode=0o700)
            (home / "config/settings.toml").write_text(settings)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "assistant.cli", "--json", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "SIGHTLINE_HOME": str(home), "OMP_NUM_THREADS": "1", **more},
        )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, **line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def wait(self, event: str, limit_s: float = 60.0) -> dict[str, Any]:
        """Wait for an event, and pass over those before it."""
        until = time.monotonic() + limit_s
        while (found := self._events.get(timeout=until - time.monotonic()))["event"] != event:
            pass
        return found

    def processes(self) -> dict[str, tuple[int, str]]:
        """The program and what it started: name to its number, and whether it is held."""
        return processes_of(self._process.pid)

    def close(self) -> None:
        if self._process.poll() is None:
            self.send(command="quit")
            self._process.wait(20)
        self._listener.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))


def processes_of(program: int) -> dict[str, tuple[int, str]]:
    """As `Program.processes`, of a program by its number."""
    found = {"itself": (program, _filter(program))}
    parents = {program}
    for _ in range(2):
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _parent(int(entry.name)) in parents:
                number = int(entry.name)
                parents.add(number)
                name = (entry / "cmdline").read_bytes().decode().split("\0")
                kind = next((part for part in name if "_" in part), "unknown")
                found[Path(kind).name] = (number, _filter(number))
    return found


def has_sound_library() -> bool:
    """True where native code would speak to a sound server."""
    script = "import sounddevice"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    return not done.returncode and shutil.which("pulseaudio") is not None


def _filter(process: int) -> str:
    """What the kernel says of all threads of a process, which must be one."""
    found = {
        line.split()[1]
        for task in Path(f"/proc/{process}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if line.startswith("Seccomp:")
    }
    (said,) = found
    return said


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[tuple[str, "queue.Queue[None]"]]:
    """The Unix socket of a sound server that hangs up; tells of each program that came."""
    path = f"/tmp/sound-{os.getpid()}"  # a name of at most 107 characters
    came: queue.Queue[None] = queue.Queue()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                came.put(None)
                caller.close()

        threading.Thread(target=serve, daemon=True).start()
        yield path, came
        server.shutdown(socket.SHUT_RDWR)
    Path(path).unlink()


def test_a_conversation_with_a_stream(
    tmp_path: Path, stream: Any, sound_server: tuple[str, "queue.Queue[None]"]
) -> None:
    address = f"http://127.0.0.1:{stream.server_address[1]}/video"
    path, came = sound_server
    program = Program(tmp_path / "home", "--camera", address, PULSE_SERVER=f"unix:{path}")
    try:
        program.send(question="is the light on")
        answer = program.wait("answer_given")
        assert answer["basis"] in ("seen", "read") and "light" in answer["answer"].lower()
        found = program.processes()
        assert {name: held for name, (_, held) in found.items()} == {
            "itself": HELD,
            "synthesis_worker.py": HELD,
            "assistant.devices.stream_keeper": FREE,
            "assistant.devices.stream_reader": FREE,
        }
        if has_sound_library():
            came.get(timeout=20)

        # Both at once: nobody may read the stream any more, and the user hears what to do.
        for name in ("stream_keeper", "stream_reader"):
            os.kill(found[f"assistant.devices.{name}"][0], signal.SIGKILL)
        said = program.wait("camera_lost")["text"]
        assert "has ended; end Sightline and start it again" in said
    finally:
        program.close()
    have_ended(found)


def have_ended(found: dict[str, tuple[int, str]], within_s: float = 0.0) -> None:
    until = time.monotonic() + within_s
    for number, _ in found.values():
        # A process that has ended and waits to be asked by the system's first has no memory.
        status = Path(f"/proc/{number}/status")
        while status.exists() and "VmRSS" in status.read_text() and time.monotonic() < until:
            time.sleep(0.02)
        assert not status.exists() or "VmRSS" not in status.read_text()


@pytest.mark.slow
def test_a_conversation_with_a_server_of_the_users_own(tmp_path: Path) -> None:
    """It is named aloud, answers as a guess, is called by one process alone, and can be left."""
    from PIL import Image

    drawn = np.random.default_rng(5).integers(60, 250, (12, 16, 3)).astype(np.uint8)
    picture = tmp_path / "scene.png"
    Image.fromarray(np.kron(drawn, np.ones((20, 20, 1), np.uint8))).save(picture)
    with serving(manner=says("A red ", "cup. ", "It is full.")) as server:
        settings = f'[server]\naddress = "{server.address}"\n[model]\nfolder = "{tmp_path}/none"\n'
        options = ("--camera", "none", "--picture", str(picture))
        program = Program(tmp_path / "home", *options, settings=settings)
        try:
            where = f"the server at 127.0.0.1:{server.port}"
            said = program.wait("status_said")["text"]
            while where not in said:
                said = program.wait("status_said")["text"]
            assert said == f"Answers about pictures and texts come from {where}."
            program.send(question="what is in front of me")
            answer = program.wait("answer_given")
            while answer["model"] is None:  # what is known without a model comes first
                answer = program.wait("answer_given")
            assert (answer["answer"], answer["basis"]) == ("A red cup. It is full.", "guess")
            assert answer["model"] == f"tiny on {where}"
            found = program.processes()
            # On a busy machine what looks whether it can hear is still at it.
            hearing = found.pop("assistant.hearing.recognizer_worker", (0, HELD))
            assert hearing[1] == HELD
            assert {name: held for name, (_, held) in found.items()} == {
                "itself": HELD,
                "synthesis_worker.py": HELD,
                "assistant.inference.server_keeper": FREE,
            }
            server.manner = says("never")
            program.send(command="set", argument='server.address ""')
            program.wait("settings_changed")
            asked = len(server.questions())
            program.send(question="describe this")
            assert "never" not in program.wait("answer_given")["answer"]
            assert len(server.questions()) == asked, "it is asked no more, from now on"
        finally:
            program.close()
    have_ended(found)


class Terminal:
    """The assistant as a person starts it: in a terminal, for the first time."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assistant.cli", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SIGHTLINE_HOME": str(home), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def wait(self, text: str, limit_s: float = 60.0) -> str:
        """Wait until something is shown; return all that was shown before it."""
        until = time.monotonic() + limit_s
        while text not in self.shown:
            ready, _, _ = select.select([self._end], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{text!r} does not come behind {self.shown!r}"
            # A long line is wrapped by no one: the terminal's width is not set.
            self.shown += os.read(self._end, 65536).decode().replace("\r\n", "\n")
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, line: str) -> None:
        os.write(self._end, f"{line}\n".encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)


def test_a_first_start_offers_a_model_and_a_no_ends_what_could_have_pulled_it(
    tmp_path: Path,
) -> None:
    if not offers(texts=False):
        pytest.skip("no model fits this machine")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    terminal = Terminal(home, "--plain", "--camera", "none")
    found: dict[str, tuple[int, str]] = {}
    try:
        terminal.wait("1: speak. 2: screen reader. 3: text only.")
        terminal.type("3")
        assert "I can get" not in terminal.wait("I answer in text only")
        terminal.wait("I can get ")
        terminal.wait(HOW)
        found = processes_of(terminal.process.pid)
        assert found["itself"][1] == HELD
        assert found["assistant.models_store.puller_keeper"][1] == FREE
        free = [name for name, (_, held) in found.items() if held == FREE]
        assert free == ["assistant.models_store.puller_keeper"]
        terminal.type("2")
        terminal.wait("Without it I read text")
        have_ended({"puller_keeper": found["assistant.models_store.puller_keeper"]}, 5.0)
        assert terminal.process.poll() is None
        terminal.type("/quit")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.close()
    have_ended(found, 5.0)
    assert 'offer = "no"' in (home / "config/settings.toml").read_text()
    assert not (home / "data/models").exists(), "something was pulled"


def test_the_recognizers_process_holds_itself() -> None:
    """Also where the program that started it is not held."""
    recognizer = RecognizerProcess()
    try:
        assert recognizer._process is not None
        assert _filter(recognizer._process.pid) == HELD
        assert _filter(os.getpid()) == FREE
    finally:
        recognizer.close()


KEYRING = """
from models.socket_filter import give_up_internet
assert give_up_internet().enforced
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
with open_dbus_connection("SESSION") as connection:
    names = connection.send_and_get_reply(new_method_call(bus, "ListNames")).body[0]
print("org.freedesktop.DBus" in names)
from assistant.memory.keys import keyring_trouble
print(keyring_trouble().cause)
"""


def test_the_keyrings_bus_is_reached(tmp_path: Path) -> None:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed")
    place = Path(f"/tmp/bus-{os.getpid()}")  # a name of at most 107 characters
    with subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address",
         f"--address=unix:path={place}"],
        stdout=subprocess.PIPE, text=True,
    ) as bus:  # fmt: skip
        try:
            assert bus.stdout is not None
            address = bus.stdout.readline().strip()
            done = subprocess.run(
                [sys.executable, "-c", KEYRING],
                env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": address},
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            bus.terminate()
            place.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    reached, trouble = done.stdout.splitlines()
    assert reached == "True"
    # No keyring lives on this bus; what is told is that, and not that the bus is out of reach.
    assert "keyring" in trouble and "denied" not in trouble.lower()
