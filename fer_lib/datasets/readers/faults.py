"""What is wrong in a corpus, said with its place and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fer_lib.errors import FerError


class Fault(Exception):
    """One thing wrong with one face: ``reason`` is what is counted, ``detail`` is what the message says."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass
class Faults:
    """Collects faults, then either raises one sentence or returns the counts.

    Attributes:
        origin: how the message names the file or folder.
        skip_bad: whether faulty faces are left out (and counted) rather than refused.
    """

    origin: str
    skip_bad: bool = False
    found: list[tuple[object, str, Fault]] = field(default_factory=list)

    def add(self, order: object, place: str, fault: Fault) -> None:
        """Notes a fault; ``order`` sorts the places, so that "the first" does not depend on the reading order."""
        self.found.append((order, place, fault))

    def settle(self) -> dict[str, int]:
        """Returns faces left out per reason, most frequent first; empty where nothing is wrong.

        Raises:
            FerError: something is wrong and ``skip_bad`` is off; names the first place, what is wrong there and how
                many faults there are in all.
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
        one = "such faces" if total > 1 else "this face"
        raise FerError(
            f"{self.origin}, {place}: {first.detail}{more}; mend the data, or leave {one} out and counted with "
            "skip_bad: true in the profile's data (--skip-bad on the command line)."
        )
