"""Compile and load what lets this PyTorch accept CUDA tensors, once a machine and version."""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

_SOURCE = Path(__file__).with_name("guard.cpp")
_COMPILERS = ("g++", "c++", "clang++")


@functools.cache
def load_guard() -> str | None:
    """Make the pretend card possible in this process; where it is not, say why."""
    if torch.version.cuda is not None:
        return "this PyTorch is built for real cards"
    compiler = next((path for name in _COMPILERS if (path := shutil.which(name))), None)
    if compiler is None:
        return "no C++ compiler: install g++ to test on a pretend GPU"
    library = _library()
    if not library.exists():
        complaint = _compile(compiler, library)
        if complaint:
            return f"the guard of the pretend GPU does not compile: {complaint}"
    ctypes.CDLL(str(library))
    return None


def _library() -> Path:
    """Where the compiled guard lies: private to the user, and named by all that it depends on."""
    about = _SOURCE.read_bytes() + torch.__version__.encode() + torch.__file__.encode()
    folder = Path(tempfile.gettempdir()) / f"pretend-gpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"guard-{hashlib.sha256(about).hexdigest()[:16]}.so"


def _compile(compiler: str, library: Path) -> str | None:
    """Compile the guard; return what the compiler said last if it failed."""
    root = Path(torch.__file__).parent
    part = library.with_suffix(f".{os.getpid()}")
    command = [
        compiler,
        *("-shared", "-fPIC", "-O0", "-std=c++20"),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        f"-I{root / 'include'}",
        str(_SOURCE),
        f"-L{root / 'lib'}",
        "-lc10",
        f"-Wl,-rpath,{root / 'lib'}",
        *("-o", str(part)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip() or "it gave no reason").splitlines()[-1]
    part.rename(library)  # whole or not at all, also where several test processes compile it
    return None
