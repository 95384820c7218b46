"""Nothing leaves this machine, and nothing is written outside our folders: the kernel is asked.

Every test starts a program in a home of its own and with an environment that holds none of the
switches which the test command sets, so that only what the packages do themselves is seen.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.cli import main as assistant_main
from models.pocket import pocket_int4_folder
from models.pocket.training.fonts import held_out_fonts
from quantizer.cli import main as quantizer_main
from tests.assistant.fakes_server import Manners, hub_listing, serving
from tests.assistant.inference.fake_model_server import says
from tests.assistant.inference.fake_model_server import serving as model_server
from tests.quantizer import conftest as quantizer_fixtures
from tests.tracing import Call, Traced, finish, start_traced, untraceable

REPOSITORY = Path(__file__).resolve().parents[1]

LINGER_S = 12.0
"""onnxruntime first calls out nine seconds after it was imported."""

letter_tokenizer = quantizer_fixtures.letter_tokenizer
tiny_llama = quantizer_fixtures.tiny_llama
text_file = quantizer_fixtures.text_file


@pytest.fixture(autouse=True, scope="module")
def tracer() -> None:
    """Programs that can be traced; without, all is skipped, and it is said why."""
    reason = untraceable()
    if reason:
        pytest.skip(f"calls of the system are not counted: {reason}")


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a new home folder, in which only the project's own folder may be written.

    folder: holds the home and what the person works on.
    held:   True if programs may give internet sockets up. As it is, what they do is their own
            doing, and not that of the kernel.
    """

    folder: Path
    cut_off: bool = True
    held: bool = False
    more: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def own(self) -> Path:
        """The one folder that is ours."""
        return self.home / "sightline"

    @property
    def work(self) -> Path:
        """Where results are asked for."""
        return self.folder / "work"

    def environment(self) -> dict[str, str]:
        # Made from nothing: whoever runs the tests may have set what we should set.
        kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SIGHTLINE_TEST_DATA")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "TMPDIR": str(self.home / "tmp"),
            "SIGHTLINE_HOME": str(self.own),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            # What Python compiles lies beside the sources, and is no part of this.
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.more,
        }

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program, whose input is a pipe."""
        environment = self.environment()
        return start_traced(
            command, self.folder, environment=environment, work=self.work, cut_off=self.cut_off,
            held=self.held,
        )  # fmt: skip

    def end(self, process: subprocess.Popen[str], limit_s: float = 300.0) -> Traced:
        """Wait for its end."""
        return finish(process, self.folder, work=self.work, limit_s=limit_s)

    def run(self, *command: str | Path, limit_s: float = 300.0) -> Traced:
        """Run a program to its end."""
        return self.end(self.start(*command), limit_s)

    def strangers(self) -> list[str]:
        """Files and folders of the home that are not ours."""
        known = {"sightline", "run", "tmp", "run/pulse"}  # the sound system's own folder
        return sorted(
            str(path.relative_to(self.home))
            for path in self.home.rglob("*")
            if self.own not in (path, *path.parents)
            and str(path.relative_to(self.home)) not in known
        )

    def outside(self, traced: Traced) -> list[Path]:
        """What a program wrote elsewhere on this machine."""
        allowed = (self.own, self.work, self.home / "tmp", self.home / "run/pulse",
                   Path("/dev"), Path("/proc"))  # fmt: skip
        return sorted(
            path for path in traced.written
            if not any(path.is_relative_to(place) for place in allowed)
        )  # fmt: skip


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path / "person")


def make_person(folder: Path, *, cut_off: bool = True, held: bool = False) -> Person:
    someone = Person(folder, cut_off, held)
    for place in (someone.home / "run", someone.home / "tmp", someone.own, someone.work):
        place.mkdir(parents=True, mode=0o700)
    return someone


@pytest.fixture
def held_person(tmp_path: Path) -> Person:
    return make_person(tmp_path / "person", held=True)


@pytest.fixture(scope="module")
def label(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with print on it."""
    picture = Image.new("RGB", (640, 320), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(str(held_out_fonts()[0]), 56)
    for row, line in enumerate(("Oat drink", "Total 12.50")):
        pen.text((40, 60 + 110 * row), line, font=font, fill="black")
    path = tmp_path_factory.mktemp("label") / "label.png"
    picture.save(path)
    return path


def keeps_all_to_itself(person: Person, traced: Traced, *, code: int = 0) -> None:
    """Judge a program that ended: nothing left, and nothing was written but where it may be."""
    assert traced.code == code, traced.error
    assert traced.leaving() == []
    assert traced.tried() == []
    assert not traced.packets
    assert person.strangers() == []
    assert person.outside(traced) == []


# The counting itself: native code is seen, whatever call it makes


PROBE = """
import ctypes, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
four = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 443)
four += socket.inet_aton(sys.argv[2]) + bytes(8)
stream = libc.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)
datagram = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("name_length", ctypes.c_uint),
                ("pieces", ctypes.POINTER(Piece)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]
class Entry(ctypes.Structure):
    _fields_ = [("message", Message), ("sent", ctypes.c_uint)]
def message(address):
    return Message(address, len(address), ctypes.pointer(Piece(b"x", 1)), 1, None, 0, 0)
loopback = four[:4] + socket.inet_aton("127.0.0.1") + bytes(8)
match sys.argv[1]:
    case "connect":
        libc.connect(stream, four, len(four))
    case "sendto":
        libc.sendto(datagram, b"x", 1, 0, four, len(four))
    case "sendmsg":
        libc.sendmsg(datagram, ctypes.byref(message(four)), 0)
    case "sendmmsg":  # the address that counts comes second
        both = (Entry * 2)(Entry(message(loopback), 0), Entry(message(four), 0))
        libc.sendmmsg(datagram, both, 2, 0)
"""


@pytest.mark.parametrize("call", ["connect", "sendto", "sendmsg", "sendmmsg"])
def test_native_code_that_calls_an_address_is_found(person: Person, call: str) -> None:
    traced = person.run(sys.executable, "-c", PROBE, call, "192.0.2.1")
    assert traced.code == 0, traced.error
    assert traced.leaving() == [Call(call, "192.0.2.1", 443)]
    stays = person.run(sys.executable, "-c", PROBE, call, "127.0.0.1")
    assert stays.leaving() == [] and Call(call, "127.0.0.1", 443) in stays.calls


def test_a_name_that_is_looked_up_in_a_child_is_found(person: Person) -> None:
    child = "import socket, contextlib\nwith contextlib.suppress(OSError):\n"
    child += "    socket.getaddrinfo('example.invalid', 443)\n"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    traced = person.run(sys.executable, "-c", parent, child)
    assert traced.leaving(), "no question to a name service was seen"


@pytest.mark.parametrize(
    ("address", "port", "leaves"),
    [
        ("127.0.0.1", 8080, False),
        ("127.9.9.9", 1, False),
        ("127.0.0.53", 53, True),
        ("::1", 80, False),
        ("::ffff:127.0.0.1", 80, False),
        ("::ffff:192.0.2.1", 80, True),
        ("2001:db8::1", 443, True),
        ("10.0.0.1", 80, True),
        ("224.0.0.251", 5353, True),
        ("/run/pulse/native", 0, False),
        ("/run/systemd/resolve/io.systemd.Resolve", 0, True),
    ],
)
def test_what_counts_as_leaving(address: str, port: int, leaves: bool) -> None:
    assert Call("connect", address, port).leaves() is leaves


def test_a_file_outside_is_found(person: Person, tmp_path: Path) -> None:
    script = (
        "import os, pathlib\n"
        "home = pathlib.Path.home()\n"
        "(home / '.cache').mkdir()\n"
        "(home / '.cache' / 'id').write_text('')\n"
        "elsewhere = pathlib.Path(home, '../../elsewhere')\n"
        "elsewhere.write_text('')\n"
        "elsewhere.unlink()\n"
    )
    traced = person.run(sys.executable, "-c", script)
    assert person.strangers() == [".cache", ".cache/id"]
    assert person.outside(traced) == [
        tmp_path / "elsewhere", person.home / ".cache", person.home / ".cache/id",
    ]  # fmt: skip


@pytest.mark.slow
def test_without_our_switches_the_library_does_call_out(person: Person) -> None:
    """What the switches are for; if this fails, the library has changed, for better or worse."""
    script = f"import time, onnxruntime\ntime.sleep({LINGER_S})"
    traced = person.run(sys.executable, "-c", script)
    assert traced.leaving()
    assert any(name.endswith("deviceid") for name in person.strangers())


# The programs


def test_a_whole_session(person: Person, label: Path) -> None:
    process = person.start(
        sys.executable, "-m", "assistant.cli", "--plain", "--no-speech", "--camera", "none",
        "--picture", label,
    )  # fmt: skip
    session = Conversation(process, person.folder / "out")
    session.wait_for("status: Opened", 0)
    session.ask("what does it say", "Total 12.50")
    session.ask("what colour is it", "answer: ")
    session.ask("what is the total", "answer: ")
    time.sleep(LINGER_S)
    session.send("/quit")
    keeps_all_to_itself(person, person.end(process))


class Conversation:
    """Types lines to a program and reads what it prints."""

    def __init__(self, process: "subprocess.Popen[str]", printed: Path) -> None:
        self._process, self._printed = process, printed

    def wait_for(self, text: str, since: int, limit_s: float = 90.0) -> None:
        """Wait until a text is printed, after so many characters; fails if it does not come."""
        until = time.monotonic() + limit_s
        while text not in self._printed.read_text()[since:]:
            assert time.monotonic() < until, f"no {text!r} in {self._printed.read_text()!r}"
            assert self._process.poll() is None, "the program ended"
            time.sleep(0.05)

    def send(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, question: str, answer: str) -> None:
        """Ask, and wait for an answer."""
        since = len(self._printed.read_text())
        self.send(question)
        self.wait_for(answer, since)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("read",), "Total 12.50"),
        (("ask",), "12.50"),
    ],
)
def test_one_shot(person: Person, label: Path, words: tuple[str, ...], answer: str) -> None:
    question = ["What is the total?"] if words == ("ask",) else []
    traced = person.run(
        sys.executable, "-m", "assistant.cli", *words, label, *question, "--no-speech"
    )
    keeps_all_to_itself(person, traced)
    assert answer in traced.out


NO_SUCH_THING = 2
"""The exit code of a command that is asked for what is not there."""

COMMANDS: list[tuple[str, int | None]] = [
    ("assistant --help", 0),
    ("assistant models list --json", 0),
    ("assistant doctor --json", None),
    ("assistant memory list", 0),
    ("assistant memory forget-all --yes", 0),
    ("assistant ask {nothing} what-is-it", NO_SUCH_THING),
    ("assistant --plain --no-speech --camera none", 0),
    ("assistant --json --camera {label}", 0),
    ("quantizer inspect {pocket}", 0),
]
"""Commands, and the exit code, or None where devices decide; `models pull` has its own test."""

LONG_COMMANDS: list[tuple[str, int | None]] = [
    ("assistant models verify vosk-small-en", 1),
    ("assistant memory export {work}/saved.jsonl", 0),
    ("assistant read {nothing}", NO_SUCH_THING),
    ("assistant doctor --delete-device-id", 0),
    ("assistant memory forget 1", 0),
    ("assistant memory search bread", 0),
    ("quantizer eval {nothing} --task perplexity --data {nothing}", NO_SUCH_THING),
    ("quantizer import {nothing} {work}/imported", NO_SUCH_THING),
    ("quantizer repair {nothing} {work}/repaired", NO_SUCH_THING),
    ("quantizer export {nothing} {work}/exported.gguf", NO_SUCH_THING),
    ("quantizer --help", 0),
    ("assistant doctor --speak", None),
    ("assistant ask {label} --question-audio {question} --answer-audio {work}/answer.wav", 0),
    ("assistant ask {label} what-colour-is-it --json --model {pocket}", 0),
    ("assistant read {label} --answer-audio {work}/read.wav", 0),
    ("assistant read {label} --json", 0),
    ("quantizer inspect {pocket} --json", 0),
    ("quantizer eval {pocket} --task perplexity --data {label}", NO_SUCH_THING),
]


@pytest.mark.parametrize(
    ("command", "code"),
    [*COMMANDS, *(pytest.param(*each, marks=pytest.mark.slow) for each in LONG_COMMANDS)],
)
def test_every_command(
    held_person: Person, label: Path, command: str, code: int | None, tmp_path: Path
) -> None:
    person = held_person
    places = {
        "work": person.work,
        "label": label,
        "nothing": tmp_path / "nothing",
        "pocket": pocket_int4_folder(),
        "question": tmp_path / "question.wav",
    }
    if "{question}" in command:
        if shutil.which("flite") is None:
            pytest.skip("flite, which speaks the question, is not installed")
        spoken = ["flite", "-voice", "slt", "-t", "what is the total", "-o"]
        subprocess.run([*spoken, str(places["question"])], check=True)
    program, *words = command.format(**places).split()
    traced = person.run(sys.executable, "-m", PROGRAMS[program], *words)
    keeps_all_to_itself(person, traced, code=traced.code if code is None else code)
    assert traced.code in (0, 1, 2)
    if "--help" not in command and can_be_held():
        assert traced.filters >= 1, "internet sockets were not given up"


PROGRAMS = {"assistant": "assistant.cli", "quantizer": "quantizer"}


@functools.cache
def can_be_held() -> bool:
    """True on a machine on which the right to internet sockets can be given up."""
    script = "from models.socket_filter import give_up_internet; print(give_up_internet().why_not)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return not done.returncode and not done.stdout.strip()


def test_the_table_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is added is to be counted, too."""
    listed = {command.split()[1] for command, _ in [*COMMANDS, *LONG_COMMANDS]}
    listed |= {"run", "compare"}  # in `test_quantizing`
    for main in (assistant_main, quantizer_main):
        with pytest.raises(SystemExit):
            main(["--help"])
        names = set(re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.M))
        assert len(names) >= 4
        assert names <= listed


@pytest.mark.slow
def test_a_server_of_the_users_own_is_called_and_nothing_else(tmp_path: Path, label: Path) -> None:
    """Its process calls the one address of the settings, on loopback; the program asks for none."""
    # The server of the test is this machine's, so the program keeps this machine's network.
    someone = make_person(tmp_path / "person", cut_off=False, held=True)
    (someone.own / "config").mkdir(mode=0o700)
    with model_server(manner=says("A carton.")) as server:
        text = f'[server]\naddress = "{server.address}"\n'
        (someone.own / "config/settings.toml").write_text(text)
        ask = (sys.executable, "-m", PROGRAMS["assistant"], "ask", label, "what is in front of me")
        traced = someone.run(*ask, "--no-speech")
    assert traced.code == 0, traced.error
    assert "A carton. (guess)" in traced.out
    assert f"come from the server at 127.0.0.1:{server.port}" in traced.out
    called = {(call.address, call.port) for call in traced.calls if call.port}
    assert called == {("127.0.0.1", server.port)}
    assert traced.leaving() == [] and someone.strangers() == [] and someone.outside(traced) == []
    if can_be_held():
        assert traced.filters >= 1


def test_what_may_pull_calls_nobody_unless_it_is_told_a_name(person: Person) -> None:
    """It is started wherever a model is offered, and keeps its right to go online."""
    traced = person.run(sys.executable, "-m", "assistant.models_store.puller_keeper")
    keeps_all_to_itself(person, traced)
    assert traced.filters == 0


def test_a_stranger_that_calls_home_is_refused_and_counted(held_person: Person) -> None:
    """What a library would do, in a program that gave the right up: seen, and without effect."""
    script = (
        "import contextlib, socket\n"
        "from models.socket_filter import give_up_internet\n"
        "give_up_internet()\n"
        "with contextlib.suppress(OSError):\n"
        "    socket.create_connection(('192.0.2.1', 443))\n"
    )
    traced = held_person.run(sys.executable, "-c", script)
    assert traced.code == 0, traced.error
    if can_be_held():
        assert traced.tried() and traced.leaving() == [] and not traced.packets
        assert traced.filters == 1


def test_packets_are_counted(person: Person) -> None:
    script = (
        "import socket\n"
        "out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for address in ('203.0.113.9', '127.0.0.1'):\n"
        "    try:\n"
        "        out.sendto(b'x', (address, 443))\n"
        "    except OSError:\n"
        "        pass\n"
    )
    traced = person.run(sys.executable, "-c", script)
    if traced.packets is None:
        pytest.skip("no network can be made here in which packets are counted")
    assert traced.packets == ("203.0.113.9",)


def test_text_recognition_without_its_models_does_not_look_for_them(
    person: Person, label: Path
) -> None:
    """The package that reads text downloads what it misses; it must not get that far."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from assistant import cli\n"
        "from assistant.seeing import ocr_files\n"
        "ocr_files._package_folder = Path\n"
        "sys.exit(cli.main())\n"
    )
    traced = person.run(sys.executable, "-c", script, "read", label, "--no-speech")
    assert traced.code == 2 and traced.error.startswith("error: ")
    assert "reinstall the rapidocr package" in traced.error
    assert traced.leaving() == []


def test_users_of_the_library(person: Person, label: Path) -> None:
    """A program that imports a part of the assistant, waits, and ends as Python ends."""
    script = (
        "import sys, time\n"
        "import numpy as np\n"
        "from PIL import Image\n"
        "from assistant.seeing.ocr import RapidOcrReader\n"
        "print(RapidOcrReader().read(np.asarray(Image.open(sys.argv[1]))))\n"
        f"time.sleep({LINGER_S})\n"
    )
    traced = person.run(sys.executable, "-c", script, label)
    keeps_all_to_itself(person, traced)
    assert "Total 12.50" in traced.out


def test_quantizing(person: Person, tiny_llama: Path, text_file: Path) -> None:
    out, compared = person.work / "out", person.work / "compared"
    quantizer = (sys.executable, "-m", "quantizer")
    data = ("--group-size", "16", "--calibration", text_file, "--samples", "8")
    traced = person.run(*quantizer, "run", tiny_llama, "--out", out, *data)
    keeps_all_to_itself(person, traced)
    traced = person.run(
        *quantizer, "eval", out, "--task", "perplexity", "--data", text_file, "--limit", "3"
    )
    keeps_all_to_itself(person, traced)
    traced = person.run(
        *quantizer, "compare", tiny_llama, "--out", compared, *data,
        "--data", text_file, "--methods", "rtn,gptq", "--bits", "4",
    )  # fmt: skip
    keeps_all_to_itself(person, traced)
    assert (person.own / "cache/matplotlib").is_dir(), "the list of fonts is kept with us"


def test_a_pull_asks_only_for_what_it_is_told_to(tmp_path: Path) -> None:
    # The server of the test is this machine's, so the program keeps this machine's network.
    someone = make_person(tmp_path / "person", cut_off=False)
    commit, weights = "0123456789abcdef0123456789abcdef01234567", b"\x08" + bytes(7) + b"{}      "
    files: list[dict[str, object]] = [
        {"rfilename": "model.safetensors", "size": len(weights), "blobId": "a"}
    ]
    listing = "/api/models/maker/model/revision/main"
    shard = f"/maker/model/resolve/{commit}/model.safetensors"
    manners = Manners({listing: hub_listing("maker/model", commit, files), shard: weights})
    script = (
        "import sys\n"
        "from assistant.models_store.pulling import pull\n"
        "from models.catalog import CatalogModel, HubSource, ModelKind\n"
        "source = HubSource('maker/model', 'main', ('*.safetensors',), False)\n"
        "model = CatalogModel('big', 'A big model', ModelKind.VISION, 'its own',\n"
        "                     'https://x.org', 16, 0, source)\n"
        "print(pull(model, print, endpoint=sys.argv[1]))\n"
    )
    with serving(manners) as address:
        # As somebody else's hub would be set; every request of the library then comes to us.
        someone.more["HF_ENDPOINT"] = address
        traced = someone.run(sys.executable, "-c", script, address)
    keeps_all_to_itself(someone, traced)
    assert [path.split("?")[0] for path, _ in manners.requests] == [listing, shard]
    for _, headers in manners.requests:
        assert "torch" not in headers.get("User-Agent", "")


@pytest.mark.slow
def test_the_demo_after_set_up(person: Person) -> None:
    person.more["PYTHONPATH"] = os.pathsep.join(
        [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    out = person.work / "demo"
    traced = person.run(sys.executable, REPOSITORY / "scripts/demo.py", "--out", out, limit_s=3600)
    keeps_all_to_itself(person, traced)
