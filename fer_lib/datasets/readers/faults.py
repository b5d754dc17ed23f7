"""Collect the faults of a corpus, then report the first one with its place and all of them counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fer_lib.errors import FerError


class Fault(Exception):
    """One fault of one face: faults are counted by ``reason``; the message gives ``detail``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
        _, place, first = min(self.found, key=lambda entry: entry[0])
        total = len(self.found)
        listed = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        more = f" (the first of {total:,} faults: {listed})" if total > 1 else ""
        one = f"such {self.noun}s" if total > 1 else f"this {self.noun}"
        raise FerError(
            f"{self.origin}, {place}: {first.detail}{more}; repair the data, or leave {one} out and counted with "
            "skip_bad: true in the profile's data (--skip-bad on the command line)."
        )
