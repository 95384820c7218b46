"""Which rank holds which calibration sequence, and in which order sums over them are added up.

A float32 sum depends on the order of its terms. For the same codes whatever the number of ranks,
the order is fixed by the sequences alone: each belongs to one of eight slots, a slot is added up
sequence by sequence, and slots are added as a binary tree, 0 to 1, 2 to 3, then those sums, and so
on. A rank holds neighbouring slots and hands on the largest subtrees that they make up; so two
ranks hand on one sum each, and one rank alone adds in the very same order.
"""

from collections.abc import Collection
from dataclasses import dataclass

from quantizer.solvers.hessian import RunningSum

SLOTS = 8
"""A power of two, as cards come; more ranks than slots would have nothing to hold."""


def slot_of(number: int) -> int:
    """The slot of a sequence by its number, 0 to 7.

    The bits are reversed, so that the first few sequences, which cost more where the
    full-precision path follows them, spread over the ranks.
    """
    turned, number = 0, number % SLOTS
    for _ in range(SLOTS.bit_length() - 1):
        turned, number = 2 * turned + number % 2, number // 2
    return turned


def slots_of(rank: int, size: int) -> range:
    """The neighbouring slots that a rank of ``size`` holds."""
    own = [slot for slot in range(SLOTS) if slot * size // SLOTS == rank]
    return range(own[0], own[-1] + 1)


@dataclass(frozen=True, slots=True)
class Share:
    """The sequences of a list that a rank holds.

    numbers: their places in the whole list, ascending.
    slots:   the slot of each.
    first:   how many of them are among the first of the list, which are followed.
    """

    numbers: tuple[int, ...]
    slots: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, count: int, followed: int, own: range) -> "Share":
        """Deal ``count`` sequences, whose first ``followed`` are dealt by themselves.

        own: slots of this rank.
        """
        slots = [slot_of(n if n < followed else n - followed) for n in range(count)]
        numbers = tuple(number for number in range(count) if slots[number] in own)
        return cls(
            numbers,
            tuple(slots[number] for number in numbers),
            sum(number < followed for number in numbers),
        )

    def places(self, slot: int, *, first: bool) -> list[int]:
        """Where the sequences of a slot stand among those held, followed ones or the others."""
        return [
            place
            for place, own in enumerate(self.slots)
            if own == slot and (place < self.first) == first
        ]


@dataclass(frozen=True, slots=True)
class Node:
    """The sum over the slots ``index·2^level`` to ``(index + 1)·2^level − 1``."""

    level: int
    index: int
    sum: RunningSum


class SlotTree:
    """Sums over neighbouring slots, added up as far as they make whole subtrees."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def push(self, node: Node) -> None:
        """Add the next slot or subtree; what it completes becomes one sum."""
        while self.nodes:
            left = self.nodes[-1]
            if left.level != node.level or left.index % 2 or left.index + 1 != node.index:
                break
            self.nodes.pop()
            left.sum.merge(node.sum)
            node = Node(left.level + 1, left.index // 2, left.sum)
        self.nodes.append(node)

    def outline(self) -> list[tuple[int, int, int]]:
        """Level, index and tokens of every sum."""
        return [(node.level, node.index, node.sum.tokens) for node in self.nodes]

    def root(self) -> RunningSum:
        """The sum over all slots.

        Raises:
            ValueError: some are missing.
        """
        (node,) = self.nodes
        return node.sum


def held_at_once(sequences: int) -> tuple[int, int]:
    """The most sums that are held while one of so many sequences is computed, and is added."""
    computing = adding = 0
    counts = [sum(slot_of(number) == slot for number in range(sequences)) for slot in range(SLOTS)]
    tree = SlotTree()
    for slot, count in enumerate(counts):
        held = sum(node.sum.tokens > 0 for node in tree.nodes)
        if count:
            # The first of a slot has no sum to be added to yet.
            computing = max(computing, held + (count > 1))
            adding = max(adding, held + 1)
        tree.push(Node(0, slot, RunningSum(0, 0, tokens=count)))
    return computing, adding


def handed_on(rank: int, size: int) -> int:
    """How many sums a rank hands on."""
    tree = SlotTree()
    for slot in slots_of(rank, size):
        tree.push(Node(0, slot, RunningSum(0, 0)))
    return len(tree.nodes)


def carried_sums(size: int, solvers: Collection[int]) -> int:
    """How many sums of one kind go from rank to rank, to those that solve."""
    return sum(handed_on(rank, size) * len(set(solvers) - {rank}) for rank in range(size))
