"""The offer at a first start: after the choice, once, and none where there is nothing to offer."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.commands import first_start
from assistant.commands.first_start import instead_of_an_offer, may_offer, offer_models
from assistant.models_store.installed import pulling_folder
from assistant.models_store.offer import WITHOUT_PICTURES, Offered
from assistant.models_store.puller import Puller
from assistant.session.fetching import Offer, Pulling
from assistant.settings.settings import Settings
from models.catalog import find_model


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    return tmp_path


class Fake:
    """A session whose user chooses after some looks, or ends it."""

    def __init__(self, looks: int = 0, *, ends: bool = False) -> None:
        self.left, self.ends = looks, ends
        self.said: list[str] = []
        self.offered: list[tuple[str, Pulling]] = []

    @property
    def running(self) -> bool:
        return not (self.ends and self.left == 0)

    @property
    def choosing(self) -> bool:
        return self.left > 0

    def report(self, text: str) -> None:
        assert not self.choosing, "said over the first question"
        self.said.append(text)

    def offer(self, offers: Sequence[Offer], puller: Pulling) -> None:
        assert not self.choosing, "said over the first question"
        self.offered += [(each.key, puller) for each in offers]

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.left -= 1


class NoPuller(Puller):
    """Starts nothing, and knows whether it was ended."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def offered(
    session: Fake, text: str, *models: str, pictures: bool = True, only_begun: bool = False
) -> tuple[list[str], list[str]]:
    puller = NoPuller()
    offers = [Offered(find_model(name)) for name in models]
    offer_models(
        session,
        puller,
        pictures=pictures,
        only_begun=only_begun,
        find=lambda **_: offers,
        instead=lambda: text,
        wait=session.wait,
    ).join(timeout=10)
    if session.running:  # what ends it ends the puller, too
        assert puller.is_closed is not bool(session.offered), "somebody may go online for nothing"
    assert all(by is puller for _, by in session.offered)
    return session.said, [key for key, _ in session.offered]


def test_it_is_said_behind_the_choice() -> None:
    assert offered(Fake(), "For photographs: x") == (["For photographs: x"], [])
    assert offered(Fake(3), "For photographs: x") == (["For photographs: x"], [])


def test_nothing_is_said_without_an_offer_or_a_session() -> None:
    assert offered(Fake(), "") == ([], [])
    assert offered(Fake(2, ends=True), "for photographs: x") == ([], [])
    assert offered(Fake(), "for photographs: x", pictures=False) == ([], [])
    assert offered(Fake(2, ends=True), "", "smolvlm-500m") == ([], [])


def test_models_are_offered_behind_the_choice_and_nothing_else_is_said() -> None:
    models = ("smolvlm-500m", "qwen2.5-coder-1.5b")
    assert offered(Fake(3), "not said", *models) == ([], list(models))


def test_who_wants_none_is_left_alone_and_who_began_is_asked_again() -> None:
    first = Settings()
    assert may_offer(first)
    assert not may_offer(dataclasses.replace(first, models_offer="no"))
    later = dataclasses.replace(first, speech_mode="voice")
    assert not may_offer(later), "a later start"
    pulling_folder("smolvlm-500m")
    assert may_offer(later), "half of it has come"
    assert not may_offer(dataclasses.replace(later, models_offer="no"))


def test_at_a_later_start_only_what_has_half_come_is_offered() -> None:
    models = ("smolvlm-500m", "qwen2.5-coder-1.5b")
    assert offered(Fake(), "not said", *models, only_begun=True) == ([], [])
    pulling_folder(models[1])
    assert offered(Fake(), "not said", *models, only_begun=True) == ([], [models[1]])


def test_where_no_model_fits_it_is_said_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "offer_of_this_machine", lambda: "")
    assert instead_of_an_offer() == WITHOUT_PICTURES
    monkeypatch.setattr(first_start, "installed_picture_model", lambda: Path("there"))
    assert instead_of_an_offer() == ""
    monkeypatch.setattr(first_start, "offer_of_this_machine", lambda: "for photographs: x")
    assert instead_of_an_offer() == "For photographs: x"


def test_the_keeper_starts_without_what_takes_long() -> None:
    script = (
        "import sys\n"
        "import assistant.models_store.puller_keeper\n"
        "found = {'httpx2', 'huggingface_hub', 'torch', 'numpy', 'cv2'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
