"""The maker's licence, shown and accepted before a byte of the model is pulled."""

from collections.abc import Callable

from assistant.machine import size_text
from models.catalog import CatalogModel, HubSource
from quantizing.errors import NotDone
from quantizing.state import State


def ask(
    model: CatalogModel,
    state: State,
    tell: Callable[[str], None],
    *,
    accepted: bool,
    answer: Callable[[str], str] | None,
) -> None:
    """Show the licence; go on only where the user accepts it, now or when it was asked before.

    accepted: by the option for scripts.
    answer:   asks at the terminal; None where there is none.

    Raises:
        NotDone: it was not accepted, or nobody can be asked.
    """
    title = model.title.partition(";")[0]  # what follows is what is being done
    tell(f"{title}: {size_text(model.download_bytes)} to download.")
    tell(f"Licence: {model.licence}. Read it at {model.licence_address}")
    if isinstance(model.source, HubSource) and model.source.consent:
        tell(
            "Its maker wants it accepted on that page, too, and a token of yours: hf auth login. "
            "Without them the download is refused."
        )
    agreed = [model.licence, model.licence_address]
    if accepted or state.get("licence") == agreed:
        state.put("licence", agreed)
        return
    if answer is None:
        raise NotDone(
            f"the licence of {model.name} needs your consent, and there is no terminal to ask at",
            "read it, then add --accept-licence",
        )
    try:
        answered = answer("Do you accept it? Type yes or no: ").strip().lower()
    except EOFError:
        answered = ""
    if answered not in ("y", "yes"):
        raise NotDone("the licence was not accepted, so nothing was downloaded")
    state.put("licence", agreed)
