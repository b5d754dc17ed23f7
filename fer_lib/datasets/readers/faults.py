"""Collect the faults of a corpus, then report the first one with its place and all of them counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fer_lib.errors import FerError


class Fault(Exception):
    """One fault of one face: faults are counted by ``reason``; the message gives ``detail``.

    Attributes:
        reason: the kind of fault.
        detail: the fault in words, with the value that was found.
        label: the face's class; None if it is not known.
        remedy: the advice in place of leaving faces out, for a fault of a whole folder; ``""`` for any other fault.
    """

    def __init__(self, reason: str, detail: str, *, label: int | None = None, remedy: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.label = label
        self.remedy = remedy


@dataclass
class Faults:
    """Collect faults, then either raise one sentence or return the counts.

    Attributes:
        origin: the name of the file or folder in the message.
        skip_bad: whether faulty faces are left out and counted, rather than refused.
        noun: the name of one row in the message.
    """

    origin: str
    skip_bad: bool = False
    found: list[tuple[int | str, str, Fault]] = field(default_factory=list)
    noun: str = "face"

    def add(self, order: int | str, place: str, fault: Fault) -> None:
        """Add a fault; ``order`` sorts the places, so that "the first" does not depend on the reading order."""
        self.found.append((order, place, fault))

    def settle(self) -> dict[str, int]:
        """Count the faces left out by reason, most frequent first; empty if there are no faults.

        Raises:
            FerError: there are faults and ``skip_bad`` is off; names the first place, its fault and the number of
                faults in all.
        """
        if not self.found:
            return {}
        counts = dict(sorted(Counter(fault.reason for *_, fault in self.found).items(), key=lambda c: (-c[1], c[0])))
        if self.skip_bad:
            return counts
        total = len(self.found)
        one = f"such {self.noun}s" if total > 1 else f"this {self.noun}"
        skip = (
            f"repair the data, or leave {one} out and counted with skip_bad: true in the profile's data (--skip-bad on "
            "the command line)"
        )
        raise FerError(f"{self.first(counts)}; {self._first().remedy or skip}.")

    def first(self, counts: dict[str, int]) -> str:
        """Describe the first fault with its place, and the number of all faults; faults of whole folders come first."""
        place, total = min(self.found, key=_order)[1], len(self.found)
        listed = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        more = f" (the first of {total:,} faults: {listed})" if total > 1 else ""
        return f"{self.origin}, {place}: {self._first().detail}{more}"

    def _first(self) -> Fault:
        return min(self.found, key=_order)[2]


def _order(entry: tuple[int | str, str, Fault]) -> tuple[bool, int | str]:
    return not entry[2].remedy, entry[0]
