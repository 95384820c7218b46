"""What the set-up brings to hear with, by a stand-in for the command that pulls."""

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
eval "$(sed -n '/^bring_hearing() {{$/,/^}}$/p' {setup})"
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
