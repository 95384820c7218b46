"""What the Hugging Face hub holds of a repository, and where each file is.

The hub's library knows addresses, tokens and digests. The transfer itself is ours
(`assistant.models_store.downloads`): since 2.x the library throws an interrupted file away, and a
shard of CogVLM2 is five gigabytes.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from assistant.errors import DownloadError
from assistant.models_store.downloads import NetworkError, first_line
from models.catalog import HubSource
from models.offline import hub_reachable, is_offline_by_choice

WEIGHTS = ".safetensors"
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
        DownloadError: no network, no such repository, or a licence that was not accepted.
    """
    try:
        with hub_reachable():
            import huggingface_hub
            from huggingface_hub import constants, errors
    except ImportError as error:
        raise DownloadError(
            f"the package huggingface-hub is missing ({error})", "run scripts/setup again"
        ) from error
    if constants.is_offline_mode():
        if is_offline_by_choice():
            raise DownloadError("HF_HUB_OFFLINE is set", "unset it to pull a model")
        raise DownloadError(
            "huggingface_hub was imported earlier, while HF_HUB_OFFLINE was set by this package",
            "pull in a process of its own: assistant models pull",
        )
    page = f"{endpoint or 'https://huggingface.co'}/{source.repository}"
    try:
        answer = huggingface_hub.HfApi(endpoint=endpoint).model_info(
            source.repository, revision=source.revision, files_metadata=True
        )
    except errors.GatedRepoError as error:
        raise _consent(page) from error
    except errors.RepositoryNotFoundError as error:
        # The hub answers so for repositories that it hides from people who are not logged in.
        if source.consent:
            raise _consent(page) from error
        raise DownloadError(
            f"{page}: there is no such repository", "a newer program may know another"
        ) from error
    except (NetworkError, OSError, ValueError) as error:
        raise DownloadError(
            f"{page}: the hub cannot be reached ({first_line(error)})", "check the network"
        ) from error
    return _listing(source, answer, endpoint, huggingface_hub)


def _listing(source: HubSource, answer: Any, endpoint: str | None, library: Any) -> HubListing:
    commit = str(answer.sha or "")
    files = []
    for entry in answer.siblings or ():
        name = str(entry.rfilename)
        if not _is_wanted(name, source.files):
            continue
        digest = str(entry.lfs.sha256) if entry.lfs is not None else ""
        address = library.hf_hub_url(
            source.repository, name, revision=commit or source.revision, endpoint=endpoint
        )
        files.append(HubFile(name, address, int(entry.size or 0), digest))
    if not commit or not any(file.name.endswith(WEIGHTS) for file in files):
        raise DownloadError(
            f"{source.repository}: the hub lists no weights as safetensors", "nothing was installed"
        )
    # Of what the library would send, only the user's own token; not what else is installed here.
    headers = library.utils.build_hf_headers()
    token = {name: text for name, text in headers.items() if name.lower() == "authorization"}
    return HubListing(commit, tuple(files), token)


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
