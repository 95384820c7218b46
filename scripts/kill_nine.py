"""Kill -9 at moments spread over a run and over a conversation; then start again and compare.

A run that was killed and continued must give the bytes of one that was left alone. What a
conversation has said it remembers must be there, whole; nothing that was not asked for may be.
After the next start no file of the killed one may be left, and no process of it.

One process loads the libraries and forks a child for each start, so that a moment is a moment of
the work and not of the imports.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # a forked child may not inherit threads of PyTorch

PASSPHRASE = "correct horse battery"
LINES = ("MILK 2 LITRES", "Best before May")
LONGEST_S = 300.0
SHOWN = 5  # differences that are kept in words


@dataclass
class Counts:
    """What came of the moments of one program.

    killed:   how many were killed before they ended by themselves; only these count as moments.
    examples: the first differences and left-overs in words.
    """

    killed: int = 0
    differences: int = 0
    leftovers: int = 0
    undisturbed_s: float = 0.0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        self.differences += 1
        self.examples = [*self.examples, what][:SHOWN]

    def left(self, what: str) -> None:
        self.leftovers += 1
        self.examples = [*self.examples, what][:SHOWN]


def forked(body: Callable[[], int]) -> int:
    """Start a child in a session of its own; it ends with what body returns."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        code = body()
    finally:
        os._exit(code)


def ended(child: int, limit_s: float) -> int | None:
    """Wait for a child; its exit code, or None if it still runs."""
    until = time.monotonic() + limit_s
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(min(0.002, max(until - time.monotonic(), 0.0)))


def show(name: str, counts: Counts) -> None:
    """Tell now and then how far it is; a long one may be stopped before its end."""
    if counts.killed % 10 == 0:
        print(json.dumps({name: asdict(counts)}), file=sys.stderr, flush=True)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


# The quantizer


def write_model(folder: Path) -> None:
    """A LLaMA of three layers with seeded bf16 weights, and its tokenizer of letters."""
    import torch
    from letters import letter_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from models.files.checkpoint import write_json
    from models.files.tensor_files import write_tensors

    folder.mkdir()
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    state = LlamaForCausalLM(config).state_dict()
    write_tensors(
        folder / "model.safetensors", {name: each.bfloat16() for name, each in state.items()}
    )
    write_json(folder / "config.json", {**config.to_dict(), "architectures": ["LlamaForCausalLM"]})
    letter_tokenizer().save(str(folder / "tokenizer.json"))


def contents(folder: Path) -> dict[str, Any]:
    """Every file of a result byte for byte, except what tells seconds."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    report = json.loads(found["report.json"])
    del report["totals"]["seconds"]
    for module in report["modules"]:
        del module["seconds"]
    found["report.json"] = report
    lines = found["report.md"].decode().splitlines()
    found["report.md"] = [line for line in lines if not line.startswith("| Seconds |")]
    return found


def kill_the_quantizer(moments: int, scratch: Path) -> Counts:
    from quantizer.cli import main
    from quantizer.run import pipeline  # noqa: F401  loads PyTorch here, and not in each child

    counts, began = Counts(), time.monotonic()
    write_model(scratch / "model")
    draw = random.Random(0)
    stories = ("".join(draw.choices("etaoin shrdlu ", k=160)) for _ in range(20))
    (scratch / "text.txt").write_text("\n\n".join(stories))

    def run(out: Path) -> int:
        quiet()
        argv = ["run", scratch / "model", "--out", out, "--method", "gptq", "--group-size", "16"]
        argv += ["--calibration", scratch / "text.txt", "--samples", "3", "--seq-len", "32"]
        return main(list(map(str, argv)))

    durations = []
    for _ in range(2):
        shutil.rmtree(scratch / "alone", ignore_errors=True)
        start = time.monotonic()
        assert ended(forked(lambda: run(scratch / "alone")), LONGEST_S) == 0
        durations.append(time.monotonic() - start)
    counts.undisturbed_s = round(min(durations), 2)
    expected = contents(scratch / "alone")
    while counts.killed < moments:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        child = forked(lambda out=folder / "out": run(out))  # type: ignore[misc]
        share = (counts.killed + draw.random()) / moments
        if ended(child, share * counts.undisturbed_s) is None:
            kill(child)
            counts.killed += 1
        child = forked(lambda out=folder / "out": run(out))  # type: ignore[misc]
        code = ended(child, LONGEST_S)
        if code != 0:
            counts.differs(f"killed after {share:.2f} of the run, the next one ends with {code}")
            if code is None:
                kill(child)
        elif contents(folder / "out") != expected:
            counts.differs(f"killed after {share:.2f} of the run, it continues to other bytes")
        left = sorted(path.name for path in folder.iterdir() if path.name != "out")
        if left:
            counts.left(f"killed after {share:.2f} of the run, it leaves {left}")
        shutil.rmtree(folder)
        show("quantizer", counts)
    counts.seconds = round(time.monotonic() - began, 1)
    return counts


# The quantizer in several processes


def kill_the_ranks(moments: int, scratch: Path) -> Counts:
    """Kill one rank, or torchrun and all, of two; another number of ranks goes on.

    Each start takes seconds, so moments are few.
    """
    counts, began = Counts(), time.monotonic()
    write_model(scratch / "model")
    draw = random.Random(2)
    stories = ("".join(draw.choices("etaoin shrdlu ", k=160)) for _ in range(20))
    (scratch / "text.txt").write_text("\n\n".join(stories))

    def start(ranks: int, out: Path) -> subprocess.Popen[bytes]:
        argv = [sys.executable]
        if ranks > 1:
            argv += ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
        argv += ["-m", "quantizer", "run", str(scratch / "model"), "--out", str(out)]
        argv += ["--group-size", "16", "--calibration", str(scratch / "text.txt")]
        argv += ["--samples", "12", "--seq-len", "32"]
        return subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    assert start(1, scratch / "alone").wait(LONGEST_S) == 0
    expected = contents(scratch / "alone")
    while counts.killed < moments:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        process = start(2, folder / "out")
        blocks = draw.randrange(3)  # that are finished before
        progress = folder / ".out.unfinished/progress.jsonl"
        while process.poll() is None:
            if progress.exists() and progress.read_bytes().count(b"\n") >= blocks:
                break
            time.sleep(0.005)
        time.sleep(draw.random() * 0.3)
        ranks = descendants(process.pid)
        which = [draw.choice(ranks)] if ranks and counts.killed % 2 else [process.pid, *ranks]
        where = f"{len(which)} processes killed behind block {blocks}"
        if process.poll() is None:
            counts.killed += 1
            for each in which:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
        try:
            process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            counts.differs(f"{where}: the others do not end")
            process.kill()
        while any(Path(f"/proc/{each}").exists() for each in ranks):
            time.sleep(0.05)
        then = draw.choice((1, 2, 3))
        code = start(then, folder / "out").wait(LONGEST_S)
        if code != 0:
            counts.differs(f"{where}: {then} ranks end with {code}")
        elif contents(folder / "out") != expected:
            counts.differs(f"{where}: {then} ranks continue to other bytes")
        left = sorted(path.name for path in folder.iterdir() if path.name != "out")
        if left:
            counts.left(f"{where}: it leaves {left}")
        shutil.rmtree(folder)
        show("ranks", counts)
    counts.seconds = round(time.monotonic() - began, 1)
    return counts


def descendants(process: int) -> list[int]:
    """The processes that one has started, and those that they have."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


# The assistant


class Conversation:
    """The command in a child: all its lines are given at once, its events are kept."""

    def __init__(self, home: Path, lines: list[str]) -> None:
        source = home / "lines"
        source.write_text("".join(f"{line}\n" for line in lines))
        self._events = home / "events"
        self._home, self._source = home, source
        self.child = forked(self._run)

    def _run(self) -> int:
        from assistant.cli import main

        os.environ["SIGHTLINE_HOME"] = str(self._home / "home")
        os.environ["SIGHTLINE_PASSPHRASE"] = PASSPHRASE
        quiet()
        os.dup2(os.open(self._source, os.O_RDONLY), 0)
        os.dup2(os.open(self._events, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        return main(["--json", "--no-speech", "--camera", "none"])

    def events(self) -> list[dict[str, Any]]:
        """What it has said; a line that was cut off by the kill was heard by nobody."""
        lines = self._events.read_text().split("\n")[:-1] if self._events.exists() else []
        return [json.loads(line) for line in lines]


def kill_the_assistant(moments: int, scratch: Path) -> Counts:
    from PIL import Image, ImageDraw, ImageFont

    from assistant.commands import live  # noqa: F401  as above
    from assistant.memory.keys import PassphraseKey
    from assistant.memory.store import Memory
    from assistant.seeing import ocr  # noqa: F401
    from assistant.settings.file import load_settings

    counts, began = Counts(), time.monotonic()
    picture = Image.new("RGB", (460, 160), "white")
    pen = ImageDraw.Draw(picture)
    for row, line in enumerate(LINES):
        pen.text((30, 20 + 70 * row), line, fill="black", font=ImageFont.load_default(40))
    picture.save(scratch / "milk.png")
    names = [f"thing {number}" for number in range(6)]
    lines = [f"/open {scratch / 'milk.png'}", "/read"]
    for number, name in enumerate(names):
        lines += [f"/remember {name}", f"/set speech.rate {200 + number}"]

    def made() -> Path:
        home = Path(tempfile.mkdtemp(dir=scratch))
        (home / "home/config").mkdir(parents=True, mode=0o700)
        (home / "home/config/settings.toml").write_text("history.enabled = true\n")
        return home

    home = made()
    start = time.monotonic()
    alone = Conversation(home, [*lines, "/quit"])
    assert ended(alone.child, LONGEST_S) == 0
    counts.undisturbed_s = round(time.monotonic() - start, 2)
    saved = Memory(home / "home/data/memory", PassphraseKey(PASSPHRASE), enabled=True).latest()
    assert sorted(thing.name for thing in saved) == names, alone.events()
    text = saved[0].text
    draw = random.Random(1)
    while counts.killed < moments:
        home = made()
        conversation = Conversation(home, lines)  # it ends by itself when the lines do
        share = (counts.killed + draw.random()) / moments
        where = f"killed after {share:.2f} of a conversation"
        if ended(conversation.child, share * counts.undisturbed_s) is None:
            kill(conversation.child)
            counts.killed += 1
        said = conversation.events()
        heard = {
            event["text"].removeprefix("I remember this as ").rstrip(".")
            for event in said
            if event.get("text", "").startswith("I remember this as")
        }
        rates = [event["value"] for event in said if event.get("name") == "speech.rate"]
        after = Conversation(home, ["/saved", "/quit"])
        code = ended(after.child, LONGEST_S)
        if code != 0:
            said_last = [event.get("text", event["event"]) for event in after.events()][-2:]
            counts.differs(f"{where}, the next start ends with {code} after saying {said_last}")
        errors = [event["text"] for event in after.events() if event["event"] == "error_said"]
        # On a busy machine it may be asked before it has opened what was saved.
        wrong = [text for text in errors if "still being opened" not in text]
        memory = Memory(home / "home/data/memory", PassphraseKey(PASSPHRASE), enabled=True)
        kept = memory.latest()
        memory.close()
        present = [thing.name for thing in reversed(kept)]
        if wrong:
            counts.differs(f"{where}, the next start says {wrong[0]}")
        elif not heard <= set(present) or present != [n for n in names if n in present]:
            counts.differs(f"{where}, it had said {sorted(heard)} and kept {present}")
        elif any(thing.text != text for thing in kept):
            counts.differs(f"{where}, a text is another")
        settings, faults = load_settings(home / "home/config/settings.toml")
        if faults or not settings.history_enabled or (rates and settings.speech_rate < rates[-1]):
            counts.differs(f"{where}, the settings are {settings.speech_rate}, {faults}, {rates}")
        expected = {"config/settings.toml", "data/memory/memory.db", "data/memory/memory.json"}
        files = (path for path in (home / "home").rglob("*") if not path.is_dir())
        expected |= {"data/.memory.lock"}  # empty; it stays, as the other locks do
        left = {path.relative_to(home / "home").as_posix() for path in files} - expected
        left |= {f"process {number}" for number in processes(home / "home")}
        if left:
            counts.left(f"{where}, it leaves {sorted(left)}")
        shutil.rmtree(home)
        show("assistant", counts)
    counts.seconds = round(time.monotonic() - began, 1)
    return counts


def processes(home: Path) -> list[int]:
    """Processes that still run with this home; a forked one shows it only after another exec."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(home) in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended, or is another user's
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantizer", type=int, default=200, metavar="N")
    parser.add_argument("--ranks", type=int, default=0, metavar="N")
    parser.add_argument("--assistant", type=int, default=100, metavar="N")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, moments, work in (
            ("assistant", options.assistant, kill_the_assistant),
            ("quantizer", options.quantizer, kill_the_quantizer),
            ("ranks", options.ranks, kill_the_ranks),
        ):
            scratch = Path(folder) / name
            scratch.mkdir()
            if moments:
                result[name] = {"moments": moments, **asdict(work(moments, scratch))}
                print(json.dumps({name: result[name]}), file=sys.stderr, flush=True)
    print(json.dumps(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    return int(any(each["differences"] or each["leftovers"] for each in result.values()))


if __name__ == "__main__":
    sys.exit(main())
