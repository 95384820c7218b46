"""What the set-up installs and brings, by stand-ins for the commands that it calls."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup"

# The functions of the script by themselves; the rest of it installs packages.
HARNESS = """
set -uo pipefail
VENV=$1
say() {{ printf 'setup: %s\\n' "$*"; }}
eval "$(sed -n '/^has_speech_model() {{$/,/^}}$/p; /^pull_within() {{$/,/^}}$/p' {setup})"
eval "$(sed -n '/^bring_hearing() {{$/,/^}}$/p; /^bring_meanings() {{$/,/^}}$/p' {setup})"
eval "$(sed -n '/^bring_relevance() {{$/,/^}}$/p' {setup})"
eval "$(sed -n '/^has_model() /p' {setup})"
bring_hearing
"""

ASSISTANT = """#!/bin/sh
echo "$*" >>"$(dirname "$0")/asked"
echo "status: licence: MIT"
case $3 in
  {comes}) exit 0 ;;
  *) echo "error: $3: the server cannot be reached; check the network" >&2; exit 2 ;;
esac
"""


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("here", "comes", "asked", "said"),
    [
        (True, "vosk-small-en", [], []),
        (False, "vosk-small-en", ["vosk-small-en"], ["got Vosk"]),
        (
            False,
            "whisper-tiny-en",
            ["vosk-small-en", "whisper-tiny-en"],
            ["did not answer: vosk-small-en: the server cannot be reached", "got Whisper"],
        ),
        (
            False,
            "nothing",
            ["vosk-small-en", "whisper-tiny-en"],
            ["going on without it", "assistant models pull whisper-tiny-en"],
        ),
    ],
)
def test_the_first_model_that_can_be_had_is_brought_and_told(
    tmp_path: Path, here: bool, comes: str, asked: list[str], said: list[str]
) -> None:
    if shutil.which("bash") is None or shutil.which("timeout") is None:
        pytest.skip("there is no bash, or no timeout")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "python", f"#!/bin/sh\nexit {0 if here else 1}\n")
    program(tmp_path / "bin" / "assistant", ASSISTANT.format(comes=comes))
    command = ["bash", "-c", HARNESS.format(setup=SETUP), "setup", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    pulled = tmp_path / "bin" / "asked"
    found = pulled.read_text().split("\n")[:-1] if pulled.exists() else []
    assert found == [f"models pull {name}" for name in asked]
    for words in said:
        assert words in done.stdout
    assert ("got" in done.stdout) == bool(asked and comes != "nothing")


@pytest.mark.parametrize(
    ("step", "model", "got"),
    [
        ("bring_meanings", "minilm", "got MiniLM"),
        ("bring_relevance", "ms-marco-minilm", "got MS MARCO MiniLM"),
    ],
)
@pytest.mark.parametrize("how", ["comes", "fails", "is there"])
def test_the_models_of_meanings_are_brought_and_told(
    tmp_path: Path, step: str, model: str, got: str, how: str
) -> None:
    if shutil.which("bash") is None or shutil.which("timeout") is None:
        pytest.skip("there is no bash, or no timeout")
    (tmp_path / "bin").mkdir()
    fails = "exit 0" if how == "is there" else '[ "$2" = verify ] && exit 1'
    program(
        tmp_path / "bin" / "assistant",
        ASSISTANT.format(comes=f"{model}*" if how == "comes" else "nothing").replace(
            "case", f"{fails}\ncase", 1
        ),
    )
    bringing = HARNESS.format(setup=SETUP).replace("\nbring_hearing\n", f"\n{step}\n")
    done = subprocess.run(
        ["bash", "-c", bringing, "setup", str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = (tmp_path / "bin" / "asked").read_text().splitlines()
    if how == "is there":
        assert (asked, done.stdout) == ([f"models verify {model}"], "")
    else:
        assert asked == [f"models verify {model}", f"models pull {model}"]
        assert (got if how == "comes" else f"models pull {model}") in done.stdout


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    if shutil.which("bash") is None or shutil.which("timeout") is None:
        pytest.skip("there is no bash, or no timeout")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "assistant", "#!/bin/sh\nexec sleep 20\n")
    pulling = HARNESS.format(setup=SETUP).replace("\nbring_hearing\n", "\n")
    command = f'{pulling}\npull_within 1 slow || echo "$problem"'
    done = subprocess.run(
        ["bash", "-c", command, "setup", str(tmp_path)], capture_output=True, text=True, timeout=15
    )
    assert done.stdout == "it took longer than 1 seconds\n"


TORCH_HARNESS = """
set -uo pipefail
VENV=$1 TORCH_VERSION=2.13.0 TORCH_CPU_INDEX=cpu-index LOG=$1/log
say() {{ printf 'setup: %s\\n' "$*"; }}
fail() {{ printf 'error: %s\\n' "$*" >&2; exit 2; }}
eval "$(sed -n '/^pip_install() {{$/,/^}}$/p; /^torch_build() {{$/,/^}}$/p' {setup})"
eval "$(sed -n '/^install_torch() {{$/,/^}}$/p; /^has_nvidia_gpu() /p' {setup})"
install_torch
"""

# Keeps which build is installed in a file, as pip would; what it can give stands in another.
PIP = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
  *"-m pip"*)
    echo "$*" >>"$here/asked"
    case "$*" in *+cpu*) echo cpu >"$here/build" ;; *) cp "$here/gives" "$here/build" ;; esac ;;
  *) [ "$(cat "$here/build")" != none ] && cat "$here/build" ;;
esac
"""


@pytest.mark.parametrize(
    ("card", "build", "gives", "installed", "asked"),
    [
        (True, "none", "cuda", "cuda", "--force-reinstall torch==2.13.0"),
        (True, "cpu", "cuda", "cuda", "--force-reinstall torch==2.13.0"),
        (True, "cuda", "cuda", "cuda", None),
        (True, "cpu", "cpu", "cpu", "--force-reinstall torch==2.13.0"),
        (False, "none", "cuda", "cpu", "--no-deps torch==2.13.0+cpu"),
        (False, "cpu", "cuda", "cpu", None),
        (False, "cuda", "cuda", "cuda", None),
    ],
)
def test_the_build_of_pytorch_follows_the_card(
    tmp_path: Path, card: bool, build: str, gives: str, installed: str, asked: str | None
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "build").write_text(f"{build}\n")
    (tmp_path / "bin" / "gives").write_text(f"{gives}\n")
    program(tmp_path / "bin" / "python", PIP)
    program(tmp_path / "bin" / "nvidia-smi", f"#!/bin/sh\n{'echo GPU 0: a card' if card else ''}\n")
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", TORCH_HARNESS.format(setup=SETUP), "setup", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": path},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "bin" / "build").read_text() == f"{installed}\n"
    calls = tmp_path / "bin" / "asked"
    assert calls.exists() is (asked is not None)
    if asked is not None:
        assert asked in calls.read_text()
        assert ("--constraint scripts/constraints-cuda.txt" in calls.read_text()) is card
    assert ("has appeared" in done.stdout) is (card and build == "cpu")
    assert ("will not be used" in done.stdout) is (card and installed == "cpu")


def test_what_cuda_needs_has_exact_versions_and_the_kernels_are_tested_with_them() -> None:
    scripts = SETUP.parent
    lines = (scripts / "constraints-cuda.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==\d+(\.\d+)+", pin) for pin in pins)
    assert pins == sorted(set(pins))
    (triton,) = [pin for pin in pins if pin.startswith("triton==")]
    tested = (scripts / "requirements-test.txt").read_text().splitlines()
    assert f'{triton}; platform_system == "Linux"' in tested
    # Both files are constraints of one command: what stands in both would have to agree.
    names = {pin.partition("==")[0] for pin in pins}
    installed = (scripts / "requirements.txt").read_text().splitlines()
    assert names.isdisjoint(line.partition("==")[0] for line in installed)
