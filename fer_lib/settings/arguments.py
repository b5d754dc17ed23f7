"""Check the arguments of a run (`make replicate`, Snakemake); reject mistakes with one sentence each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fer_lib.errors import FerError, nearest
from fer_lib.settings import parameters
from fer_lib.settings.common import PRETRAIN, WEIGHTS_NAMES, DataSettings
from fer_lib.settings.profile import PROFILES, Profile, load_profile, profile_file, profile_name, trunk_named
from fer_lib.utils.parallel import cores

#: Keys of Snakemake's configuration, and the environment variable that is read if the key is missing.
VARIABLES = {
    "profile": "FER_PROFILE",
    "seeds": "FER_SEEDS",
    "baseline_seeds": "FER_BASELINE_SEEDS",
    "draw_faces": "FER_DRAW_FACES",
    "gpus": "FER_GPUS",
    "data_dir": "FER_DATA",
    "weights": "FER_WEIGHTS",
    "trunk": "FER_TRUNK",
    "skip_bad": "FER_SKIP_BAD",
    "test_split": "FER_TEST_SPLIT",
    "labels": "FER_LABELS",
}

#: Further variables that make passes on, also to its tools.
OF_MAKE: tuple[str, ...] = ("JOBS", "CLUSTER", "PYTHON", "RESOLUTION", "FER_OUTPUT", "FER_STATE", "FER_CACHE", "BENCH")
OF_MAKE += ("JUNIT", "PYTEST_FLAGS", "LAB_FLAGS", "BENCH_FLAGS", "STRESS_FLAGS")

#: Those of ``VARIABLES`` that are data settings of the profile.
DATA_CHANGES = ("skip_bad", "test_split", "labels")


@dataclass(frozen=True)
class Arguments:
    """Checked arguments of a run of the whole chain.

    Attributes:
        profile: name of the profile and of its results folder.
        file: the profile's YAML file.
        settings: the profile's settings.
        seeds: seeds of the notebooks that train, as text.
        baseline_seeds: those of the seeds that also train the traditional CNN.
        draw_faces: whether figures may show real people's faces.
        gpus: number of GPUs that a training requests on a cluster.
        data: absolute path of the data folder; "" if none is given.
        weights: a name, ``"pretrain"``, the absolute path of a file, or "" for the profile's own.
        trunk: engine and precision, or "" for the profile's own.
        data_changes: data settings by name, in place of the profile's own.
    """

    profile: str
    file: Path
    settings: Profile
    seeds: tuple[str, ...]
    baseline_seeds: tuple[str, ...]
    draw_faces: bool
    gpus: int
    data: str
    weights: str
    trunk: str
    data_changes: Mapping[str, Any]

    @property
    def sources(self) -> list[str]:
        """Sources of a run's numbers besides its profile: data, weights and trunk, and changed data settings."""
        changes = [f"{name}={value}" for name, value in self.data_changes.items()]
        return [self.data, self.weights, self.trunk, *changes]

    def environment(self) -> dict[str, str]:
        """Build the environment variables that pass paths and data settings to notebooks and to a cluster's jobs."""
        given = {"FER_DATA": self.data, "FER_WEIGHTS": self.weights, "FER_TRUNK": self.trunk}
        given |= {VARIABLES[name]: str(value) for name, value in self.data_changes.items()}
        own = {} if self.file.parent == PROFILES else {"FER_PROFILE": str(self.file)}
        return {name: value for name, value in given.items() if value} | own


def read(config: Mapping[str, Any]) -> Arguments:
    """Read and check the arguments of a run from Snakemake's configuration, or else from ``VARIABLES``.

    Raises:
        FerError: an argument is misspelt, of the wrong kind, or a path that does not exist.
    """
    for name in config:
        if name not in VARIABLES:
            raise FerError(
                f"There is no argument {name!r}{nearest(name, VARIABLES)}; give some of {', '.join(VARIABLES)}."
            )
    # "--config seeds=0" arrives as a number, "draw_faces=no" as text
    given = {name: str(config.get(name, os.environ.get(variable, ""))) for name, variable in VARIABLES.items()}
    # an empty word is no answer to whether real faces may be shown
    drawing = "draw_faces" in config or VARIABLES["draw_faces"] in os.environ
    profile = given["profile"] or "smoke"
    seeds = whole_numbers("SEEDS", given["seeds"] or "0")
    baseline = whole_numbers("BASELINE_SEEDS", given["baseline_seeds"] or " ".join(seeds))
    if not set(baseline) <= set(seeds):
        raise FerError(f"BASELINE_SEEDS={' '.join(baseline)} must be among SEEDS={' '.join(seeds)}.")
    names = (*WEIGHTS_NAMES, PRETRAIN)
    weights = "none" if given["weights"] == "None" else given["weights"]  # as in a notebook, where it is Python's None
    if given["trunk"]:
        trunk_named(given["trunk"], where="TRUNK")
    if set("{}") & set(file := str(profile_file(profile))):
        raise FerError(f"{file} has braces in its path, which Snakemake takes for wildcards; move the file.")
    return Arguments(
        profile=profile_name(profile),
        file=profile_file(profile),
        settings=load_profile(profile),
        seeds=seeds,
        baseline_seeds=baseline,
        draw_faces=parameters.boolean("DRAW_FACES", given["draw_faces"]) if drawing else True,
        gpus=int(one_of("GPUS", given["gpus"] or "1", ("0", "1"))),
        data=_existing("FER_DATA", given["data_dir"], "the folder that contains the corpora"),
        weights=weights
        if weights in names
        else _existing("WEIGHTS", weights, f"{', '.join(names)} or a weights file", file=True),
        trunk=given["trunk"],
        data_changes=_data_changes({name: (name.upper(), given[name]) for name in DATA_CHANGES}),
    )


def data_from_environment(profile: Profile) -> dict[str, Any]:
    """Read the data settings in ``$FER_SKIP_BAD``, ``$FER_TEST_SPLIT`` and ``$FER_LABELS`` for a notebook.

    A profile that generates its faces ignores them, to be the same on every computer.

    Raises:
        FerError: a value does not fit.
    """
    if profile.data.source != "folder":
        return {}
    return _data_changes({name: (VARIABLES[name], os.environ.get(VARIABLES[name], "")) for name in DATA_CHANGES})


def from_make(environment: Mapping[str, str]) -> dict[str, str]:
    """Read the variables of the Makefile, which make passes on through the environment.

    Args:
        environment: ``os.environ``; its ``MAKEFLAGS`` names the variables on make's command line.

    Returns:
        Their values by the names in ``VARIABLES.values()``; an empty one is left out, except that of ``draw_faces``.

    Raises:
        FerError: a name on the command line is nearly that of a variable; make would ignore it without a word.
    """
    names = {variable.removeprefix("FER_"): variable for variable in VARIABLES.values()} | {"FER_DATA": "FER_DATA"}
    del names["DATA"]
    known = (*names, *VARIABLES.values(), *OF_MAKE)
    overrides = re.split(r"(?<!\\) ", environment.get("MAKEFLAGS", "").partition("-- ")[2])
    for name in (word.partition("=")[0] for word in overrides):
        if name not in known and (meant := nearest(name.upper(), known, likeness=0.75)):
            raise FerError(f"make has no variable {name}{meant}; `make` lists those that it has.")
    given = {variable: environment.get(name, "") for name, variable in names.items()}
    asked = {"FER_DRAW_FACES": ""} if "DRAW_FACES" in environment else {}
    return asked | {variable: value for variable, value in given.items() if value}


def whole_numbers(name: str, text: str) -> tuple[str, ...]:
    """Split a list of whole numbers such as ``"0 1 2"``; ``"010"`` is ten.

    Raises:
        FerError: there is none, or one of them is not a whole number from 0 on.
    """
    numbers = parameters.whole_numbers(name, text)
    if not numbers:
        raise FerError(f'{name} is empty; give whole numbers, such as "0 1 2".')
    return tuple(map(str, numbers))


def jobs(text: str, *, profile: str) -> int:
    """Read how many notebooks run at the same time; without a number two in the smoke profile, else one.

    Raises:
        FerError: it is no whole number from 1 on.
    """
    if not text:  # generated faces keep no core busy for long; docs/performance.md has the memory of two notebooks
        return 2 if profile == "smoke" and cores() > 1 else 1
    try:
        number = parameters.whole_number("JOBS", text)
    except FerError:
        number = 0
    if not number:
        raise FerError(f"JOBS is {text!r}; give the number of notebooks that run at the same time, 1 or more.")
    return number


def one_of(name: str, value: str, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        FerError: it is not; the sentence names the choices.
    """
    choices = list(choices)
    if value not in choices:
        raise FerError(f"{name}={value} is unknown{nearest(value, choices)}: give one of {', '.join(choices)}.")
    return value


def _data_changes(given: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Check data settings; each has the name of its variable, for messages, and its text, which is "" if not given."""
    kinds = get_type_hints(DataSettings)
    found: dict[str, Any] = {}
    for name, (variable, text) in given.items():
        if text and kinds[name] is bool:
            found[name] = parameters.boolean(variable, text)
        elif text:
            found[name] = one_of(variable, text, get_args(kinds[name]))
    return found


def _existing(name: str, value: str, expected: str, *, file: bool = False) -> str:
    """Check that a path exists and make it absolute; keep ""."""
    path = Path(value).expanduser()
    if value and not (path.is_file() if file else path.exists()):
        raise FerError(f"{name}={value}: no such file{'' if file else ' or folder'}; give {expected}.")
    return str(path.resolve()) if value else ""
