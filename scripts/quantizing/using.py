"""The assistant's setting that names the small model: written, and taken back."""

from collections.abc import Callable

from assistant.settings.file import load_settings, save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import get_value, set_value
from quantizing.errors import NotDone
from quantizing.state import State
from quantizing.wanted import Wanted

PICTURES, TEXTS = "model.folder", "text_model.folder"


def use(wanted: Wanted, state: State, tell: Callable[[str], None], *, sees: bool) -> None:
    """Let the assistant use the result; what was set before is kept for `undo`.

    Raises:
        SettingsError: the settings cannot be written.
    """
    name = PICTURES if sees else TEXTS
    path = settings_file()
    settings, _ = load_settings(path)
    before, now = str(get_value(settings, name)), str(wanted.out)
    if before != now:
        state.put("setting", {"name": name, "before": before, "now": now})
        save_setting(path, set_value(settings, name, now), name)
    tell(f"The assistant uses it from its next start: {name} in {path}.")
    if settings.server_address:
        tell("A model server is set, too, and answers instead: see server.address there.")


def undo(wanted: Wanted, state: State, tell: Callable[[str], None]) -> None:
    """Set the assistant to what it used before.

    Raises:
        NotDone: nothing was set, or something else was set since.
        SettingsError: the settings cannot be written.
    """
    kept = state.get("setting")
    if kept is None:
        raise NotDone(f"the settings were not changed for {wanted.name}", "nothing is to be undone")
    path = settings_file()
    settings, _ = load_settings(path)
    name, before = kept["name"], kept["before"]
    found = str(get_value(settings, name))
    if found != kept["now"]:
        raise NotDone(f"{name} is {found or 'empty'} by now", f"change it in {path}")
    save_setting(path, set_value(settings, name, before), name)
    state.put("setting", None)
    tell(f"{name} is {before or 'empty'} again. The small model stays in {wanted.out}.")
