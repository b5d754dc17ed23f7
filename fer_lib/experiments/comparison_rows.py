"""The rows of the comparison: each comparator with all parameters that decide its answers, from the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_lib import comparators, provenance
from fer_lib.comparators.base import Comparator
from fer_lib.comparators.recipe import Network
from fer_lib.errors import FerError, nearest
from fer_lib.settings import WEIGHTS_NAMES, ComparatorSettings, settings_hash
from fer_lib.settings.comparators import FIRST, Rows
from fer_lib.utils import code_hash
from fer_lib.utils.files import file_sha256

AS_FIRST = "first"
"""The word after the hyphen of a row that was trained on FER-2013 from nothing, before CK+."""


@dataclass(frozen=True)
class Row:
    """Comparator with its parameters: one row of the settings and of the table.

    Attributes:
        name: key in the settings: the comparator's name, then a hyphen and a word if the row is a variation of it.
        comparator: a key of :data:`fer_lib.comparators.COMPARATORS`.
        parameters: the comparator's parameters by name.
        first: the comparator that learns FER-2013 before this one continues from it; None starts at once.
        faces: of a ``first``: the number of faces that it learns from; 0 means all. None for all other rows.
    """

    name: str
    comparator: str
    parameters: Mapping[str, Any]
    first: Row | None = None
    faces: int | None = None

    def create(self) -> Comparator:
        """Create the comparator, unfitted."""
        return comparators.create(self.comparator, **self.parameters)

    @cached_property
    def key(self) -> str:
        """Name for files; it changes with the parameters, the comparator's code and the files that it looks for."""
        named = {key: _content(each) if isinstance(each, str) else each for key, each in self.parameters.items()}
        named["files"] = [file_sha256(path) for path in comparators.create(self.comparator, **self.parameters).files()]
        named["first"] = [self.first and self.first.key, self.faces]
        if engine := provenance.varying_engine(self.parameters):
            named["engine"] = engine
        return f"{self.name}-{settings_hash(named, code_hash.of(comparators.class_of(self.comparator)))}"


def _content(parameter: str) -> str:
    """Hash the file that a parameter names; if there is none, return the last part of the parameter."""
    path = Path(parameter)
    return file_sha256(path) if path.is_file() else path.name


def rows_of(given: Rows, settings: ComparatorSettings, *, epochs: int, seed: int) -> list[Row]:
    """List the rows of the settings, each with all parameters that decide its answers; skip repeated rows.

    Args:
        given: ``settings.ckplus_rows`` or ``settings.fer2013_rows``.
        settings: settings with the weights and the trunk of the comparators that have them.
        epochs: number of epochs of each network whose row does not set it.
        seed: seed of every comparator.

    Raises:
        FerError: there is no such comparator or parameter, a row that cannot learn FER-2013 first should do so, two
            rows would learn it differently under one name, or ``settings.reference`` is not a row or is optional.
    """
    found: dict[str, Row] = {}
    for name, changes in given.items():
        comparator = name.split("-")[0]
        kind = comparators.class_of(comparator)
        own = {key: value for key, value in changes.items() if key != FIRST}
        first = _first(kind, own, settings, seed=seed) if changes.get(FIRST) else None
        parameters = _defaults(kind, settings, epochs=epochs, seed=seed) | own
        if first and "weights" in kind().get_params():
            parameters["weights"] = "none"  # it starts from those of the first training
        known = comparators.create(comparator, **parameters).get_params()  # raises if a parameter does not exist
        same = settings_hash({"comparator": comparator, "first": first and first.parameters, **known})
        found.setdefault(same, Row(name, comparator, parameters, first))
    firsts: dict[str, Row] = {}
    for row in found.values():
        if row.first and firsts.setdefault(row.first.name, row.first).key != row.first.key:
            raise FerError(
                f"Two rows would learn FER-2013 first as {row.first.name}, with different parameters ({row.name} and "
                "another); give both the same, or put one into another profile."
            )
    names = [row.name for row in found.values()]
    if settings.reference not in names:
        hint = nearest(settings.reference, names)
        raise FerError(f"The reference {settings.reference!r} is not a row{hint}; the rows are {', '.join(names)}.")
    if comparators.class_of(settings.reference.split("-")[0]).optional:
        raise FerError(f"The reference {settings.reference!r} may be missing on another computer; name another row.")
    return list(found.values())


def first_rows(rows: Sequence[Row]) -> list[Row]:
    """List the trainings on FER-2013 from nothing that the rows continue from, each once."""
    return list({row.first.key: row.first for row in rows if row.first}.values())


def controls(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pair each row whose comparator has a control with the row of that control, if nothing else differs."""
    pairs = []
    for row in rows:
        wanted = getattr(comparators.class_of(row.comparator), "control", "")
        for other in rows:
            same = (row.parameters, row.first and row.first.parameters)
            theirs = (other.parameters, other.first and other.first.parameters)
            if other.comparator == wanted and same == theirs and row.faces == other.faces:
                pairs.append((row, other))
    return pairs


def _first(kind: type[Comparator], own: Mapping[str, Any], settings: ComparatorSettings, *, seed: int) -> Row:
    """Describe the training on FER-2013 before a row's own: from nothing, in the budget that all rows share."""
    if not kind.first_learner:
        raise FerError(f"{kind.name} has no network that could learn FER-2013 first; remove {FIRST} from its row.")
    learner = comparators.class_of(kind.first_learner)
    known = learner().get_params()
    shared = {"seed": seed, "weights": "none", "epochs": settings.first_epochs}
    parameters = {key: value for key, value in own.items() if key in known} | shared
    parameters = {key: value for key, value in parameters.items() if key in known}
    return Row(f"{learner.name}-{AS_FIRST}", learner.name, parameters, faces=settings.first_faces)


def _defaults(kind: type[Comparator], settings: ComparatorSettings, *, epochs: int, seed: int) -> dict[str, Any]:
    """Derive a comparator's parameters from the settings that all comparators share."""
    known = kind().get_params()
    given: dict[str, Any] = {"seed": seed}
    if "weights" in known:
        own = settings.weights in WEIGHTS_NAMES or kind.weights_of == "ResNet50"
        given["weights"] = settings.weights if own else "none"
    if "trunk" in known:
        given["trunk"] = f"{settings.trunk_engine}-{settings.trunk_precision}"
    if issubclass(kind, Network):
        given["epochs"] = epochs
    return given
