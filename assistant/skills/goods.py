"""Where on a receipt the goods end: at the first total, tax, payment or change."""

from collections.abc import Callable

from assistant.skills import change, paid, tax, total
from assistant.text.page import Page, Place


def is_no_goods(page: Page) -> Callable[[Place], bool]:
    """Whether an amount of a page stands from its first sum on; what stands there was not bought.

    A tax and a payment are sums by their whole label only: "Gift card" may be sold.
    """
    sums = [*total.sums(page), *tax.SKILL.named(page), *paid.sums(page), *change.SKILL.named(page)]
    first = min((place.row for place in sums), default=len(page.rows))
    return lambda place: place.row >= first
