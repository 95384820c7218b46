"""What the Hugging Face hub holds of a repository, and where each file is.

Of the hub's library only the user's own token is asked for. What it would send tells which
libraries of which versions are installed here, and it believes what it is answered; the transfer
(`assistant.models_store.downloads`) would begin anew whenever it is interrupted, and a shard of
CogVLM2 is five gigabytes.
"""

import fnmatch
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from assistant.errors import DownloadError
from assistant.models_store.downloads import ask
from assistant.models_store.schema import AnswerError, listing
from models.catalog import HubSource
from models.files.bounded import FormatError, parse_json
from models.offline import chosen_offline, hub_reachable

USUAL_ENDPOINT = "https://huggingface.co"
MOST_ANSWER_BYTES = 16 * 1024**2
"""Of the answer about one repository; one with ten thousand files has three megabytes."""

WEIGHTS = (".safetensors", ".gguf")
NEVER = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz", ".py", ".so")
"""Files that run code when they are loaded are not fetched, whatever a pattern says."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository.

    sha256: as the hub states it; empty for small text files, for which it states none.
    """

    name: str
    address: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubListing:
    """The wanted files of one commit, and what must be sent to get them."""

    commit: str
    files: tuple[HubFile, ...]
    headers: Mapping[str, str]


def list_files(source: HubSource, *, endpoint: str | None = None) -> HubListing:
    """Ask the hub for the files of a repository that the catalog wants.

    endpoint: the hub's address; None for the usual one.

    Raises:
        DownloadError: no network, no such repository, an answer that cannot be used, or a licence
            that was not accepted.
    """
    headers = _token_headers()
    root = endpoint or USUAL_ENDPOINT
    page = f"{root}/{source.repository}"
    revision = urllib.parse.quote(source.revision, safe="")
    address = f"{root}/api/models/{source.repository}/revision/{revision}?blobs=true"
    try:
        status, body = ask(address, headers, MOST_ANSWER_BYTES)
    except DownloadError as error:
        # The page is what a listener knows; the address of the question is long.
        raise DownloadError(error.cause.replace(address, page), error.way_out) from error
    if status in (401, 403, 404):
        # The hub answers so, too, for repositories that it hides from people who are not logged in.
        if source.consent:
            raise _consent(page)
        raise DownloadError(
            f"{page}: there is no such repository", "a newer program may know another"
        )
    if status != 200:
        raise DownloadError(
            f"{page}: the hub cannot be reached (it answered {status})", "try again later"
        )
    try:
        commit, listed = listing(parse_json(body), lambda name: _is_wanted(name, source.files))
    except (AnswerError, FormatError) as error:
        raise DownloadError(
            f"{page}: the hub's answer cannot be used ({error})",
            "nothing was installed, try again later",
        ) from error
    if not any(file.name.endswith(WEIGHTS) for file in listed):
        raise DownloadError(
            f"{source.repository}: the hub lists no weights as safetensors or GGUF",
            "nothing was installed; take another of: assistant models list",
        )
    files = (
        HubFile(file.name, f"{page}/resolve/{commit}/{file.name}", file.size_bytes, file.sha256)
        for file in listed
    )
    return HubListing(commit, tuple(files), headers)


def _token_headers() -> dict[str, str]:
    """The user's own token, where there is one, and nothing else.

    Raises:
        DownloadError: the hub's library is missing, or the user wants to stay offline.
    """
    try:
        with hub_reachable():
            import huggingface_hub
            from huggingface_hub import constants
    except ImportError as error:
        raise DownloadError(
            f"the package huggingface-hub is missing ({error})", "run scripts/setup again"
        ) from error
    if constants.is_offline_mode():
        name = chosen_offline()
        if name:
            raise DownloadError(f"{name} is set", "unset it to pull a model")
        raise DownloadError(
            "huggingface_hub was imported earlier, while HF_HUB_OFFLINE was set by this package",
            "pull in a process of its own: assistant models pull",
        )
    token = huggingface_hub.get_token()
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise DownloadError("the token for the hub is damaged", "run hf auth login again")
    return {"Authorization": f"Bearer {token}"}


def _is_wanted(name: str, patterns: tuple[str, ...]) -> bool:
    """True for a file of the repository's top folder that a pattern names and that is only data."""
    path = PurePosixPath(name)
    if len(path.parts) != 1 or "\\" in name or path.suffix.lower() in NEVER:
        return False
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _consent(page: str) -> DownloadError:
    return DownloadError(
        f"{page}: the maker wants the licence accepted first",
        "open this page, accept it, then run hf auth login with your own token",
    )
