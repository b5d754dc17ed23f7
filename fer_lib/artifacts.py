"""Write a run's values, tables and figures, and one provenance file that lists them all."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from fer_lib import provenance
from fer_lib.datasets.catalog import SYNTHETIC_MARK
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.errors import FerError
from fer_lib.figures import drawn
from fer_lib.figures.source import add_source
from fer_lib.figures.style import figure_png
from fer_lib.models.weights_file import as_expected
from fer_lib.settings import (
    PRETRAIN,
    PROJECT,
    PretrainingSettings,
    Profile,
    arguments,
    change,
    experiment,
    load_profile,
    parameters,
    profile_name,
    settings_dict,
    settings_hash,
    variant_changes,
)
from fer_lib.tables.base import Table, crops_of
from fer_lib.utils import code_hash, packed
from fer_lib.utils.files import atomic_path, file_sha256, write_text

FIGURE_DPI = 150
LARGEST_SEED = 2**32 - 1  # NumPy's
Corpus = FaceDataset | ImageFolders


@dataclass
class Run:
    """One run of a notebook: where its results are written and what they come from.

    Attributes:
        notebook: its name, such as ``"03_resnet50_mlp"``.
        profile: the profile's name.
        settings: the profile's settings.
        seed: the run's seed; None for the report, which covers several.
        results: the folder ``results/<profile>``.
        figures: the folder ``figures/<profile>``.
        variant: the variant's name; empty for the paper's own reading.
        facts: settings, faces and weights for the provenance; :meth:`uses` adds to them.
        artifacts: the SHA-256 of each result that this run has written, by its path in the profile's folder.
    """

    notebook: str
    profile: str
    settings: Profile
    seed: int | None
    results: Path
    figures: Path
    variant: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """Name of the run and of its executed notebook, such as ``"03_resnet50_mlp_seed0"``."""
        variant = f"-{self.variant}" if self.variant else ""
        return f"{self.notebook}{variant}" + ("" if self.seed is None else f"_seed{self.seed}")

    @property
    def provenance_file(self) -> str:
        """Path of the run's provenance in the profile's results; tables and figures name it."""
        return f"{provenance.FOLDER}/{self.id}.json"

    @property
    def synthetic(self) -> bool:
        """Tell whether faces used so far, or the images that the weights were pre-trained on, were generated."""
        card = (self.facts.get("weights") or {}).get("card", {})
        return card.get("synthetic", False) or any(one["synthetic"] for one in self.facts.get("data", {}).values())

    def experiment(self, section: str, *, weights: str = "", epochs: int = 0, changes: dict | None = None) -> Any:
        """Build the settings of one experiment as :func:`fer_lib.settings.experiment` does, for this run's variant.

        The weights ``"pretrain"`` become the file that notebook 00 has written in this run's results. The scaling
        ``"trunk"`` becomes the one that the weights expect by their card, if they are a file with one.

        Raises:
            FerError: a key is unknown, a value does not fit, or there are no pre-trained weights.
        """
        settings = experiment(
            self.settings, section, variant=self.variant, weights=weights, epochs=epochs, changes=changes
        )
        if getattr(settings, "weights", "") == PRETRAIN:
            path = self.weights_file("ResNet50")
            if not path.is_file():
                raise FerError(
                    f"There are no pre-trained weights in {path.parent}; run notebook 00_pretraining first (as `make "
                    f"replicate WEIGHTS={PRETRAIN}` does), or give other weights."
                )
            settings = change(settings, weights=str(path))
        return as_expected(settings)

    def weights_file(self, network: str) -> Path:
        """Name the file of a network's pre-trained weights."""
        return self.results / "weights" / f"{network.lower()}.weights.h5"

    def weights_card(
        self, settings: PretrainingSettings, *, images: ImageFolders, accuracy: dict[str, Any]
    ) -> dict[str, Any]:
        """Describe pre-trained weights, for :func:`fer_lib.models.weights_file.save`.

        Args:
            settings: the recipe.
            images: the images that the weights were trained on.
            accuracy: the result of :func:`fer_lib.evaluation.metrics.top_k` on the validation images.
        """
        made = self.provenance()
        shares = {name: {key: row[key] for key in ("value", "low", "high")} for name, row in accuracy.items()}
        return {
            "network": settings.network,
            "scaling": settings.scaling,
            "image_size": settings.stages[-1].image_size,
            "recipe": settings_dict(settings),
            "data": {"corpus": images.corpus, **made["data"][images.corpus]},
            "accuracy": {**shares, "images": len(images.val_images)},
            **{key: made[key] for key in ("seed", "code", "engine", "packages")},
        }

    def uses(self, *, faces: Corpus | None = None, settings: Any = None, weights: dict | None = None) -> None:
        """Record faces or images, an experiment's settings or the weights' origin in the provenance of later results.

        ``settings`` is one experiment's dataclass, or several by name.
        """
        if faces is not None:
            self.facts.setdefault("data", {})[faces.corpus] = _described(faces)
        if settings is not None:
            self.facts["settings"] = settings_dict(settings)
            self.facts["settings_hash"] = settings_hash(self.facts["settings"])
            self.facts.pop("trunk", None)
            if engine := provenance.varying_engine(self.facts["settings"]):
                self.facts["trunk"] = engine
        if weights is not None:
            self.facts["weights"] = weights

    def checkpoints(self, name: str, *entries: Callable, settings: Any = None, faces: Corpus | None = None) -> Path:
        """Name the folder of one training's checkpoints; it changes with settings, data, seed, code and backend.

        Settings that only prolong the training (:func:`fer_lib.utils.checkpoints.open_ended`) do not change it.

        Args:
            name: the trained model's name.
            *entries: the functions that build and train it; their code is hashed (:mod:`fer_lib.utils.code_hash`).
            settings: the settings that the training depends on; None means all settings used so far.
            faces: the faces that the model learns from; None means all faces used so far.
        """
        if not entries:
            raise TypeError("checkpoints needs the functions that build and train the model")
        made = self.provenance()
        depends_on = made["settings"] if settings is None else settings_dict(settings)
        seen = provenance.same_faces(made) if faces is None else [faces.fingerprint, made["data_settings"]]
        longer = {name for entry in entries for name in getattr(entry, "open_ended", ())}
        versions = [engine] if (engine := provenance.varying_engine(depends_on)) else []
        depends_on = {name: value for name, value in depends_on.items() if name not in longer}
        parts = (depends_on, seen, made.get("weights"), self.seed, code_hash.of(*entries), made["engine"], *versions)
        key = settings_hash(*parts)
        return self.results / "checkpoints" / f"{name}-seed{self.seed}-{key}"

    def model_folder(self, name: str) -> Path:
        """Name the folder of a trained model, for ``fer-lib predict``."""
        return self.results / "models" / name

    def save_table(self, table: Table, name: str) -> Table:
        """Write ``tables/<name>.csv`` and ``.md``, which names the provenance; return the table to show it."""
        frame = table.frame.reset_index() if table.frame.index.name else table.frame
        if table.synthetic:
            frame = frame.assign(data=SYNTHETIC_MARK)
        self._write(f"tables/{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
        self._write(f"tables/{name}.md", f"{table.to_markdown()}\nProvenance: `{self.provenance_file}`.\n")
        self._write_provenance()
        return table

    def save_values(self, values: dict[str, Any], name: str) -> None:
        """Write ``metrics/<name>.json``: the values and the path of their provenance."""
        content = {"name": name, "synthetic": self.synthetic, "values": values, "provenance": self.provenance_file}
        self._write(f"metrics/{name}.json", _json(content))
        self._write_provenance()

    def save_rows(self, frame: pd.DataFrame, name: str, *, folder: str) -> None:
        """Write a long frame (a history, predictions) to ``<folder>/<name>.csv``."""
        if self.synthetic:
            frame = frame.assign(data="SYNTHETIC")
        text = frame.to_csv(index=False, lineterminator="\n", float_format="%.7g")
        self._write(f"{folder}/{name}.csv", text)
        self._write_provenance()

    def save_packed(self, content: pd.DataFrame | Mapping[str, np.ndarray], name: str) -> None:
        """Write what is too long for a CSV, such as all answers of a model, to ``predictions/<name>.npz``.

        :func:`fer_lib.utils.packed.read` reads a frame back, ``numpy.load`` arrays by name. Of generated faces, a frame
        has a column ``data``, and arrays come with one named ``SYNTHETIC``.
        """
        if self.synthetic:
            content = (
                content.assign(data="SYNTHETIC")
                if isinstance(content, pd.DataFrame)
                else {**content, "SYNTHETIC": np.array(True)}
            )
        path = self.results / "predictions" / f"{name}.npz"
        with atomic_path(path) as partial:
            packed.write(content, partial)
        self.artifacts[f"predictions/{name}.npz"] = file_sha256(path)
        self._write_provenance()

    def save_figure(self, figure: Figure, name: str, *, shows: FaceDataset | None = None) -> Figure:
        """Write ``<name>.png`` and ``<name>.svg`` under the figures folder; return the figure.

        A last line in the figure names its faces, seeds and weights, and both files name their provenance; the PNG also
        contains digests of the drawn data (:mod:`fer_lib.figures.drawn`). ``shows`` are the faces that the figure
        shows, if any: the line names them, and the provenance says whether they are generated.
        """
        self.sourced(figure, shows=shows)
        with atomic_path(self.figures / f"{name}.png") as partial:
            text = {"Provenance": self.provenance_file, **drawn.digests(figure)}
            partial.write_bytes(figure_png(figure, dpi=FIGURE_DPI, text=text))
        # a fixed salt and no date, so that the same figure gives the same file
        with rc_context({"svg.hashsalt": name}), atomic_path(self.figures / f"{name}.svg") as partial:
            figure.savefig(partial, metadata={"Date": None, "Source": self.provenance_file})
        for ending in ("png", "svg"):
            self.artifacts[f"figures/{name}.{ending}"] = file_sha256(self.figures / f"{name}.{ending}")
        if shows is not None:
            shown = {"fingerprint": shows.fingerprint, "synthetic": shows.synthetic}
            self.facts.setdefault("shows", {})[name] = shown
        self._write_provenance()
        return figure

    def sourced(self, figure: Figure, *names: str, shows: FaceDataset | None = None) -> Figure:
        """Write below a figure which faces, seeds and weights it comes from, if it does not say so yet; return it.

        Args:
            figure: the figure; its ``corpora`` and ``seeds`` are named, if it has any.
            *names: patterns of the names of results that the report has read, such as ``"resnet50_mlp_seed*"``; without
                them, what this run itself has used is named.
            shows: the faces that the figure shows, if any; they are named in place of those that the run has used.
        """
        if names:
            read = self.facts.get("made_from", {})
            made = [read[name] for name in read if any(fnmatchcase(name, each) for each in names)]
        else:
            data_settings = settings_dict(self.settings.data)
            made = [{"seed": self.seed, "variant": self.variant, "data_settings": data_settings, **self.facts}]
        if shows is not None:
            made = [run | {"data": {shows.corpus: _described(shows)}} for run in made]
        return add_source(figure, made)

    def load_values(self, pattern: str) -> dict[str, dict[str, Any]]:
        """Read the metrics that match, such as ``"resnet50_mlp_seed*"``, and their provenance, sorted by name."""
        found = provenance.read_values(self.results)
        return {name: content for name, content in found.items() if fnmatchcase(name, pattern)}

    def reads(self, name: str, made: Mapping[str, Any]) -> None:
        """Record that this run's results are made from ``metrics/<name>.json``; ``made`` is that file's provenance."""
        known = ("seed", "data", "data_settings", "settings", "weights", "engine", "code")
        facts = {key: made.get(key) for key in known}
        digest = {"sha256": file_sha256(self.results / "metrics" / f"{name}.json")}
        self.facts.setdefault("made_from", {})[name] = digest | facts

    def load_scores(self, model: str, seeds: Sequence[int] = ()) -> dict[int, pd.DataFrame]:
        """Read a model's scores in this profile's results, by seed: those of the given seeds, or all.

        If this run has used faces, results on other faces or another test part are left out, so that all scores are of
        the same faces.

        Raises:
            FerError: the seeds have different settings, faces or weights, so that a mean over them makes no sense.
        """
        found = self.load_values(f"{model}_seed*")
        runs = {name: content["provenance"] for name, content in found.items()}
        runs = {name: run for name, run in runs.items() if not seeds or run["seed"] in seeds}
        if "data" in self.facts:
            these = provenance.same_faces(self.provenance())
            runs = {name: run for name, run in runs.items() if provenance.same_faces(run) == these}
        provenance.check_alike(runs)
        return {runs[name]["seed"]: pd.DataFrame(found[name]["values"]["scores"]) for name in runs}

    def load_rows(self, name: str, *, folder: str, faces: FaceDataset | None = None) -> pd.DataFrame | None:
        """Read a frame written by :meth:`save_rows`; None if there is none, or it was made with other ``faces``."""
        return self._load(f"{folder}/{name}.csv", pd.read_csv, faces)

    def load_packed(self, name: str, *, faces: FaceDataset | None = None) -> pd.DataFrame | None:
        """Read a frame written by :meth:`save_packed`; None if there is none, or it was made with other ``faces``."""
        return self._load(f"predictions/{name}.npz", packed.read, faces)

    def _load(self, name: str, read: Callable[[Path], pd.DataFrame], faces: FaceDataset | None) -> pd.DataFrame | None:
        path = self.results / name
        if not path.is_file():
            return None
        if faces is not None:
            made = provenance.made_by(self.results, name) or {}
            if made.get("data", {}).get(faces.corpus, {}).get("fingerprint") != faces.fingerprint:
                return None
        return read(path)

    def provenance(self) -> dict[str, Any]:
        """List the facts that lead from a number back to its data, settings and code."""
        return {
            "run": self.id,
            "notebook": self.notebook,
            "profile": self.profile,
            "seed": self.seed,
            "data_settings": settings_dict(self.settings.data),
            **self.facts,
            **provenance.surroundings(),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_since_start": round(time.monotonic() - self.started, 1),
        }

    def _write(self, name: str, text: str) -> None:
        self.artifacts[name] = file_sha256(write_text(self.results / name, text))

    def _write_provenance(self) -> None:
        content = self.provenance() | {"artifacts": dict(sorted(self.artifacts.items()))}
        write_text(self.results / self.provenance_file, _json(content))


def start(
    notebook: str,
    namespace: dict[str, Any] | None = None,
    *,
    profile: str = "smoke",
    seed: int | None = 0,
    variant: str = "",
    output_dir: str = "",
    data_changes: dict | None = None,
) -> Run:
    """Start a notebook's run.

    Args:
        notebook: the notebook's name.
        namespace: the notebook's ``globals()``, in place of the other arguments. Its parameters are checked first, and
            hold what :func:`fer_lib.settings.parameters.read` makes of them from then on.
        profile: ``"smoke"``, ``"quick"``, ``"paper"`` or a YAML file of your own.
        seed: the run's seed.
        variant: the variant of the profile that the notebook runs; it becomes part of the run's name.
        output_dir: the folder in which ``results/`` and ``figures/`` are written; ``""`` means ``$FER_OUTPUT``, else
            the project's sources, else (installed from a wheel) the current folder.
        data_changes: settings of the profile's data, by name, such as ``{"test_split": "PublicTest"}``; they override
            the variant's, which override the variables ``$FER_SKIP_BAD``, ``$FER_TEST_SPLIT`` and ``$FER_LABELS``.

    Raises:
        FerError: there is no such profile, it has an unknown key or a bad value, a parameter is unknown or of another
            kind, or the seed is not one of NumPy's.
    """
    if namespace is not None:
        parameters.read(namespace)
        own = {"profile", "seed", "variant", "output_dir", "data_changes"} & namespace.keys()
        return start(notebook, **{"seed": None, **{name: namespace[name] for name in own}})
    root = Path(output_dir or os.environ.get("FER_OUTPUT") or PROJECT).expanduser()
    settings = load_profile(profile)
    of_variant = variant_changes(settings, variant)[1]
    changes = arguments.data_from_environment(settings) | of_variant | (data_changes or {})
    settings = dataclasses.replace(settings, data=change(settings.data, **changes))
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise FerError(f"seed is {seed}; it should be between 0 and {LARGEST_SEED}.")
    name = profile_name(profile)
    return Run(notebook, name, settings, seed, root / "results" / name, root / "figures" / name, variant)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Convert every frame among the values to a list of rows; a confusion matrix keeps its index as a column."""
    rows = {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}
    rows = {name: records(frame.reset_index() if frame.index.name else frame) for name, frame in rows.items()}
    return {**values, **rows}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Convert a frame's rows to dictionaries that JSON can store; a missing number becomes None."""
    return json.loads(frame.to_json(orient="records", double_precision=15))


def _described(faces: Corpus) -> dict[str, Any]:
    """List the facts about a corpus that the provenance records."""
    return {
        "fingerprint": faces.fingerprint,
        "counts": faces.counts()["total"].to_dict(),
        "synthetic": faces.synthetic,
        "notes": faces.notes,
        **({"crops": crops_of(faces)} if isinstance(faces, FaceDataset) else {}),
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not belong into a result")
