"""How `home.tar.gz` was made, with version 0.3.0 and nothing else. Kept so that it can be repeated:

    git worktree add /tmp/v030 a14eeca
    cd /tmp/v030
    PYTHONPATH=/tmp/v030 PYTHON .../home_030/make.py /tmp/made .../home_030/home.tar.gz

PYTHON has the packages of scripts/requirements.txt and `sightline` 0.3.0 installed. Nothing is
fetched from outside: the models are a few bytes that a server on this machine gives out.

What the archive holds:

home/              SIGHTLINE_HOME: settings, two pulled models, and a memory locked with the
                   passphrase below
pictures/label.png what was in view when "pharmacy label" was saved
llama/             a LLaMA of two layers with random weights, text.txt to calibrate it with
small/             llama/ quantized by `quantizer run --method rtn`, a whole result
.small.unfinished/ the run that was to replace it, killed when its first block was finished
earlier.json       what `quantizer eval --json` said of small/
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from tests.assistant.fakes_server import Manners, hub_listing, serving

PASSPHRASE = "correct horse battery"
SETTINGS = (
    "speech.mode none",
    "speech.rate 230",
    "speech.volume 55",
    "speech.voice gmw/en-us",
    "speech.headphones true",
    "verbosity 2",
    "camera.source none",
    "camera.mirrored true",
    "history.enabled true",
    "interface plain",
    "keys.read ctrl+r",
    "keys.spell f7",
)
OWN_LINES = "# My own line: the printer's voice is too fast.\n"
LABEL = ("Amoxicillin 500 mg", "Take one capsule", "three times a day", "Use by 11 2027")
TICKET = ("Harbour ferry", "Adult, one way", "Pier 4 at 17:45")
WORDS = ("the sun and", "a moon", "run over", "Blue trees", "9 times,", "then they", "sing again.")
OPTIONS = (
    *("--method", "gptq", "--group-size", "16", "--samples", "6", "--seq-len", "40"),
    *("--calibration", "llama/text.txt"),
)

# Ends the process as `kill -9` does, when the first block's line is on the disk.
KILLED = """
import os, signal, sys
from quantizer.cli import main
from quantizer.progress import Work

record = Work.record

def last_act(self, block):
    record(self, block)
    os.kill(os.getpid(), signal.SIGKILL)

Work.record = last_act
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    made, archive = Path(sys.argv[1]), Path(sys.argv[2])
    assert version("sightline") == "0.3.0", "install and import version 0.3.0"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    os.environ |= {
        "SIGHTLINE_HOME": str(made / "home"),
        "SIGHTLINE_PASSPHRASE": PASSPHRASE,
        "PYTHONPATH": str(Path.cwd()),
        "OMP_NUM_THREADS": "1",
    }
    os.chdir(made)
    draw(made / "pictures/label.png", LABEL)
    draw(made / "ticket.png", TICKET)
    choose_settings(made / "home/config/settings.toml")
    save_things()
    (made / "ticket.png").unlink()
    manners = Manners()
    with serving(manners) as root:
        pull_models(manners, root)
    write_llama(made / "llama")
    quantize()
    pack(made, archive)


def draw(path: Path, lines: tuple[str, ...]) -> None:
    page = Image.new("RGB", (560, 400), "#f4f1e8")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(36)
    for row, line in enumerate(lines):
        pen.text((70, 60 + 75 * row), line, fill="#1a1a1a", font=font)
    path.parent.mkdir(exist_ok=True)
    page.save(path, optimize=True)


def assistant(*words: str, lines: tuple[str, ...] = ()) -> str:
    argv = [sys.executable, "-m", "assistant.cli", *words]
    done = subprocess.run(argv, input="\n".join(lines), capture_output=True, text=True, check=True)
    print(done.stdout, done.stderr)
    return done.stdout


def choose_settings(file: Path) -> None:
    assistant("--plain", "--no-speech", lines=tuple(f"/set {each}" for each in SETTINGS))
    file.write_text(file.read_text() + OWN_LINES)


def save_things() -> None:
    assistant(
        "--plain",
        lines=(
            "/open pictures/label.png",
            "read this",
            "how many things are there",  # opens the model, whose view of the picture is kept
            "read this",
            "/remember pharmacy label",
            "/open ticket.png",
            "read this",
            "/remember ticket",
        ),
    )
    assert "pharmacy label" in assistant("memory", "list")


def pull_models(manners: Manners, root: str) -> None:
    """Pull one model that comes as files of the hub, and one that comes as an archive.

    The archive's address is that of the catalog, which is led to this machine.
    """
    weights, commit = b"\x08\0\0\0\0\0\0\0{}      " * 200, "0123456789abcdef" * 2 + "01234567"
    lfs = {"sha256": hashlib.sha256(weights).hexdigest(), "size": len(weights), "pointerSize": 130}
    repository = "THUDM/cogvlm2-llama3-chat-19B"
    listed: list[dict[str, object]] = [
        {"rfilename": "config.json", "size": 2, "blobId": "b"},
        {"rfilename": "model.safetensors", "size": len(weights), "blobId": "a", "lfs": lfs},
    ]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as opened:
        for name, content in (("am/final.mdl", b"model" * 99), ("conf/mfcc.conf", b"--use")):
            opened.writestr(f"vosk-model-small-fr-0.22/{name}", content)
    manners.files = {
        f"/api/models/{repository}/revision/main": hub_listing(repository, commit, listed),
        f"/{repository}/resolve/{commit}/config.json": b"{}",
        f"/{repository}/resolve/{commit}/model.safetensors": weights,
        "/small-fr.zip": zipped.getvalue(),
    }
    os.environ["HF_ENDPOINT"] = root  # read when the hub's library is loaded
    from assistant import cli
    from models import catalog

    led = tuple(
        replace(model, source=replace(model.source, address=f"{root}/small-fr.zip"))
        if model.name == "vosk-small-fr"
        else model
        for model in catalog.known_models()
    )
    catalog._shipped = lambda: led  # type: ignore[assignment]
    for name in ("cogvlm2-19b", "vosk-small-fr"):
        assert cli.main(["models", "pull", name]) == 0


def write_llama(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir()
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    state = LlamaForCausalLM(config).state_dict()
    save_file(
        {name: value.to(torch.bfloat16) for name, value in state.items()},
        folder / "model.safetensors",
    )
    raw = config.to_dict() | {"architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(raw))
    characters = ["<unk>", "<s>", "</s>", *map(chr, range(32, 127)), "\n"]
    vocabulary = {character: index for index, character in enumerate(characters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    drawn = torch.randint(len(WORDS), (30, 15), generator=torch.Generator().manual_seed(0))
    documents = [" ".join(WORDS[n] for n in row) for row in drawn.tolist()]
    (folder / "text.txt").write_text("<|endoftext|>".join(documents))


def quantize() -> None:
    """A whole result, what it measures, and a run that was to replace it."""
    quantizer = [sys.executable, "-m", "quantizer"]
    run = ["run", "llama", "--out", "small"]
    subprocess.run([*quantizer, *run, "--method", "rtn", "--group-size", "16"], check=True)
    data = ["--task", "perplexity", "--data", "llama/text.txt", "--limit", "3"]
    subprocess.run([*quantizer, "eval", "small", *data, "--json", "earlier.json"], check=True)
    killed = subprocess.run([sys.executable, "-c", KILLED, *run, *OPTIONS])
    assert killed.returncode == -9, killed
    (line,) = Path(".small.unfinished/progress.jsonl").read_text().splitlines()
    assert json.loads(line)["block"] == "model.layers.0"


def pack(made: Path, archive: Path) -> None:
    """Write the archive without names, owners and times of the machine that made it."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for path in sorted(made.iterdir()):
            opened.add(path, path.name, filter=plain)
    archive.write_bytes(gzip.compress(held.getvalue(), mtime=0))


if __name__ == "__main__":
    main()
