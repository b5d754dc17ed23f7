"""What people keep is written here alone: values, tables and figures, each with its provenance beside it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.errors import FerError
from fer_lib.settings import (
    CHECKOUT,
    PROJECT,
    Profile,
    change,
    load_profile,
    profile_name,
    settings_dict,
    settings_hash,
)
from fer_lib.tables.chen2023 import SYNTHETIC_MARK, Table
from fer_lib.utils import code_hash
from fer_lib.utils.files import atomic_path, figure_png, write_text

PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "numpy",
    "openvino",
    "opencv-python-headless",
    "scikit-learn",
    "skops",
    "mtcnn",
    "pandas",
    "fer",  # whose network is one of the compared systems, where it is installed
    "fer-replication",
)
FIGURE_DPI = 150


@dataclass
class Run:
    """One notebook's run: where its results go and what they came from.

    Attributes:
        notebook: its name, such as ``"03_resnet50_mlp"``.
        profile: the profile's name.
        settings: the profile's settings.
        seed: of the run; None for the report, which covers several.
        results: the folder ``results/<profile>``.
        figures: the folder ``figures/<profile>``.
        facts: what goes into the provenance beside the surroundings; :meth:`uses` adds to it.
    """

    notebook: str
    profile: str
    settings: Profile
    seed: int | None
    results: Path
    figures: Path
    facts: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def synthetic(self) -> bool:
        """Whether any of the faces used so far were generated."""
        return any(corpus["synthetic"] for corpus in self.facts.get("data", {}).values())

    def uses(self, *, faces: FaceDataset | None = None, settings: Any = None, weights: dict | None = None) -> None:
        """Adds the faces, the experiment's settings or the weights' origin to the provenance of what follows.

        ``settings`` is one experiment's dataclass, or several by name.
        """
        if faces is not None:
            self.facts.setdefault("data", {})[faces.corpus] = {
                "fingerprint": faces.fingerprint,
                "counts": faces.counts()["total"].to_dict(),
                "synthetic": faces.synthetic,
                "notes": faces.notes,
            }
        if settings is not None:
            self.facts["settings"] = settings_dict(settings)
            self.facts["settings_hash"] = settings_hash(self.facts["settings"])
        if weights is not None:
            self.facts["weights"] = weights

    def checkpoints(
        self, name: str, *entries: Callable, settings: Any = None, faces: FaceDataset | None = None
    ) -> Path:
        """Name the folder of this very training; the name changes with settings, data, seed, code and backend.

        Args:
            name: of the trained model.
            *entries: the functions that build and train it; their code is hashed (:mod:`fer_lib.utils.code_hash`).
            settings: the settings it depends on; None means all settings used so far.
            faces: the faces it learns from; None means all faces used so far.
        """
        if not entries:
            raise TypeError("checkpoints needs the functions that build and train the model")
        made = self.provenance()
        depends_on = made["settings"] if settings is None else settings_dict(settings)
        seen = same_faces(made) if faces is None else [faces.fingerprint, made["data_settings"]]
        key = settings_hash(depends_on, seen, made.get("weights"), self.seed, code_hash.of(*entries), made["engine"])
        return self.results / "checkpoints" / f"{name}-seed{self.seed}-{key}"

    def model_folder(self, name: str) -> Path:
        """Returns the folder that a trained model is kept in, for ``fer-lib predict``."""
        return self.results / "models" / name

    def save_table(self, table: Table, name: str) -> Table:
        """Writes ``tables/<name>.csv`` and ``.md`` with provenance, and returns the table to be shown."""
        frame = table.frame.reset_index() if table.frame.index.name else table.frame
        if table.synthetic:
            frame = frame.assign(data=SYNTHETIC_MARK)
        write_text(self.results / "tables" / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
        write_text(self.results / "tables" / f"{name}.md", table.to_markdown())
        self._write_provenance(self.results / "tables" / name)
        return table

    def save_values(self, values: dict[str, Any], name: str) -> None:
        """Writes ``metrics/<name>.json``: the values and, in the same file, their provenance."""
        content = {"name": name, "synthetic": self.synthetic, "values": values, "provenance": self.provenance()}
        write_text(self.results / "metrics" / f"{name}.json", _json(content))

    def save_rows(self, frame: pd.DataFrame, name: str, *, folder: str) -> None:
        """Writes a long frame (a history, predictions) to ``<folder>/<name>.csv`` with provenance."""
        if self.synthetic:
            frame = frame.assign(data="SYNTHETIC")
        text = frame.to_csv(index=False, lineterminator="\n", float_format="%.7g")
        write_text(self.results / folder / f"{name}.csv", text)
        self._write_provenance(self.results / folder / name)

    def save_figure(self, figure: Figure, name: str, *, shows: FaceDataset | None = None) -> Figure:
        """Writes ``<name>.png`` and ``<name>.svg`` under the figures folder with provenance; returns the figure.

        ``shows`` are the faces that a figure of faces draws: generated ones may stand for real people's.
        """
        with atomic_path(self.figures / f"{name}.png") as partial:
            partial.write_bytes(figure_png(figure, dpi=FIGURE_DPI))
        # a fixed salt and no date: the same figure gives the same file
        with rc_context({"svg.hashsalt": name}), atomic_path(self.figures / f"{name}.svg") as partial:
            figure.savefig(partial, metadata={"Date": None})
        drawn = {} if shows is None else {"shows": {"fingerprint": shows.fingerprint, "synthetic": shows.synthetic}}
        self._write_provenance(self.figures / name, **drawn)
        return figure

    def load_values(self, pattern: str) -> dict[str, dict[str, Any]]:
        """Returns the contents of the metrics files that match, such as ``"resnet50_mlp_seed*"``, by name, sorted."""
        files = sorted((self.results / "metrics").glob(f"{pattern}.json"))
        return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}

    def load_scores(self, model: str, seeds: Sequence[int] = ()) -> dict[int, pd.DataFrame]:
        """Returns the scores of a model that stand in this profile's results, by seed: of these seeds, or of all.

        In a run that uses faces itself, results of other faces or another test part are left out: what stands side by
        side was measured on the same faces.

        Raises:
            FerError: the seeds were not run alike (other settings, faces or weights), so that no mean has a meaning.
        """
        found = self.load_values(f"{model}_seed*")
        runs = {name: content["provenance"] for name, content in found.items()}
        runs = {name: run for name, run in runs.items() if not seeds or run["seed"] in seeds}
        if "data" in self.facts:
            these = same_faces(self.provenance())
            runs = {name: run for name, run in runs.items() if same_faces(run) == these}
        keys = {
            name: settings_hash(run.get("settings"), same_faces(run), run.get("weights")) for name, run in runs.items()
        }
        odd = [name for name in keys if keys[name] != keys[next(iter(keys))]]
        if odd:
            raise FerError(
                f"The results {', '.join(keys)} were not run alike ({odd[0]} differs in settings, faces or weights); "
                f"run these seeds again together, or delete metrics/{odd[0]}.json."
            )
        return {runs[name]["seed"]: pd.DataFrame(found[name]["values"]["scores"]) for name in runs}

    def load_rows(self, name: str, *, folder: str, faces: FaceDataset | None = None) -> pd.DataFrame | None:
        """Returns a frame written by :meth:`save_rows`; None where it is not there, or is of others than ``faces``."""
        path = self.results / folder / f"{name}.csv"
        if not path.is_file():
            return None
        if faces is not None:
            beside = path.with_name(f"{name}.provenance.json")  # a kill may have come between the two files
            made = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
            if made.get("data", {}).get(faces.corpus, {}).get("fingerprint") != faces.fingerprint:
                return None
        return pd.read_csv(path)

    def provenance(self) -> dict[str, Any]:
        """Returns what a reader needs to walk back from a number to the data."""
        return {
            "notebook": self.notebook,
            "profile": self.profile,
            "seed": self.seed,
            "data_settings": settings_dict(self.settings.data),
            **self.facts,
            "code": git_state(),
            "engine": _engine(),
            "machine": {
                "kind": platform.machine(),
                "system": platform.system(),
                "cores": os.cpu_count(),
                "gpus": _gpus(),
            },
            "packages": package_versions(),
            "python": platform.python_version(),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_since_start": round(time.monotonic() - self.started, 1),
        }

    def _write_provenance(self, stem: Path, **more: Any) -> None:
        write_text(stem.parent / f"{stem.name}.provenance.json", _json({**self.provenance(), **more}))


def start(
    notebook: str,
    *,
    profile: str = "smoke",
    seed: int | None = 0,
    output_dir: str = "",
    data_changes: dict | None = None,
) -> Run:
    """Starts a notebook's run.

    Args:
        notebook: its name.
        profile: ``"smoke"``, ``"quick"``, ``"paper"`` or a YAML file of your own.
        seed: of the run.
        output_dir: ``results/`` and ``figures/`` are written in it; ``""`` means ``$FER_OUTPUT``, else the
            project's sources, else (installed from a wheel) the current folder.
        data_changes: settings of the profile's data, by name, such as ``{"test_split": "PublicTest"}``.

    Raises:
        FerError: there is no such profile, or it has an unknown key or a value that does not fit.
    """
    root = Path(output_dir or os.environ.get("FER_OUTPUT") or PROJECT).expanduser()
    settings = load_profile(profile)
    settings = dataclasses.replace(settings, data=change(settings.data, **(data_changes or {})))
    if seed is not None and seed < 0:
        raise FerError(f"seed is {seed}; it should be 0 or more.")
    name = profile_name(profile)
    return Run(notebook, name, settings, seed, root / "results" / name, root / "figures" / name)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Returns values with every frame as a list of rows: a confusion matrix keeps its index as a column."""
    rows = {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}
    rows = {name: records(frame.reset_index() if frame.index.name else frame) for name, frame in rows.items()}
    return {**values, **rows}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns a frame's rows as dictionaries fit for JSON: a missing number is None."""
    return json.loads(frame.to_json(orient="records", double_precision=15))


def same_faces(provenance: dict[str, Any]) -> list[Any]:
    """Returns what two results must share to be compared: the corpora's fingerprints and the data settings."""
    fingerprints = {corpus: facts["fingerprint"] for corpus, facts in provenance.get("data", {}).items()}
    return [fingerprints, provenance.get("data_settings")]


def git_state() -> dict[str, Any]:
    """Returns the commit, and whether sources differ from it (results do not count); None outside a repository."""
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!results", ":!figures", ":!benchmarks/results")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _engine() -> dict[str, Any] | None:
    """What networks ran on; None in a notebook that runs none, and so never waits for Keras to be imported."""
    backend = sys.modules.get("fer_lib.backend")
    if backend is None:
        return None
    keras = backend.keras
    precision = keras.config.dtype_policy().name
    return {"backend": keras.backend.backend(), "devices": backend.DEVICES, "precision": precision}


@functools.cache
def _gpus() -> list[str]:
    """The names of NVIDIA's cards as their driver has them, whatever the backend makes of them."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _git(*words: str) -> str | None:
    if CHECKOUT is None:  # installed from a wheel: the current folder's commit is another project's
        return None
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that results depend on, those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not belong into a result")
