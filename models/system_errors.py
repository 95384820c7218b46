"""What the system refuses, told as it is: no memory, no room, no right, a disk that only reads.

Libraries wrap a refusal in errors of their own. A user who is told to free space where a file is
locked, or to take another picture where memory is short, does the wrong thing.
"""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system calls a full disk, or a used-up share of one."""

MORE_MEMORY = "close other programs, or use a smaller model"
OUT_OF_MEMORY = f"there is not enough memory; {MORE_MEMORY}"

_NO_MEMORY = (
    "can't allocate memory",  # PyTorch on a CPU
    "cannot allocate memory",  # the system, also when it loads a library
    "out of memory",  # CUDA, SQLite
    "insufficient memory",  # OpenCV
    "failed to allocate memory",  # onnxruntime
    "unable to allocate",  # NumPy
    "bad_alloc",
    "failed to map segment",  # the loader of libraries
    "can't start new thread",
)
_OUR_OWN_LIMIT = 20  # of errors that caused each other


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error, or one that caused it, says that the system has no memory to give."""
    seen: BaseException | None = error
    for _ in range(_OUR_OWN_LIMIT):
        if seen is None:
            return False
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, OSError) and seen.errno == errno.ENOMEM:
            return True
        text = str(seen).lower()
        if any(words in text for words in _NO_MEMORY):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def reason(error: OSError) -> str:
    """What the system says, without the number and the file: "No space left on device"."""
    return error.strerror or str(error) or type(error).__name__


def way_out(error: OSError) -> str:
    """What a user can do about a file that cannot be read or written."""
    if error.errno in FULL:
        return "free space and try again"
    if error.errno == errno.EROFS:
        return "this disk can only be read; give a folder on another one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "check who owns this folder, or give one of your own"
    if error.errno == errno.ENOMEM:
        return MORE_MEMORY
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; close other programs"
    if error.errno == errno.EIO:
        return "the disk may be damaged; use another one"
    if error.errno == errno.ENAMETOOLONG:
        return "the path is too long; give a shorter one"
    return "check the path"
