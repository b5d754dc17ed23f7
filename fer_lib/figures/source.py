"""The last line of a figure: which faces, seeds and weights it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from fer_lib.datasets import imagenet_folders
from fer_lib.datasets.catalog import NAMES
from fer_lib.datasets.face_dataset import split_named
from fer_lib.figures.style import PaperFigure, with_source


def add_source(figure: Figure, made: Sequence[Mapping[str, Any]]) -> Figure:
    """Write below a figure what :func:`in_words` says of the runs, with the figure's own corpora and seeds."""
    if not isinstance(figure, PaperFigure):
        return figure
    return with_source(figure, in_words(made, corpora=figure.corpora, seeds=figure.seeds, drawn=figure.drawn))


def in_words(
    made: Sequence[Mapping[str, Any]],
    *,
    corpora: Sequence[str] = (),
    seeds: Sequence[int] = (),
    drawn: tuple[str, str] | None = None,
) -> str:
    """Say in one sentence which faces, seeds and weights results come from, as a figure's last line.

    Args:
        made: for each run its ``data``, ``data_settings``, ``settings``, ``seed``, ``weights`` and ``engine``, as in
            its provenance, and its ``variant``, if it is one.
        corpora: the corpora to name; empty, or none that the runs have used, means all that they have used.
        seeds: the seeds of single trainings, if one run has several.
        drawn: the settings that count the training faces that were learnt and tested, if only some were.
    """
    used = [(corpus, one, run) for run in made for corpus, one in (run.get("data") or {}).items()]
    named = [each for each in used if each[0] in corpora] or used
    faces = dict.fromkeys(
        f"{NAMES.get(corpus, corpus)}{' (SYNTHETIC)' if one.get('synthetic') else ''}, {_parts(one, run, drawn)}"
        for corpus, one, run in named
    )
    shown = "Images" if {each[0] for each in named} <= {imagenet_folders.CORPUS, imagenet_folders.FOLDERS} else "Faces"
    words = [f"{shown}: {'; '.join(faces)}"] if faces else []
    if own := sorted({run["seed"] for run in made if run.get("seed") is not None}):
        trained = f"; trainings from seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else ""
        words.append(f"seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}{trained}")
    words += dict.fromkeys(f"variant {run['variant']}" for run in made if run.get("variant"))
    backends = sorted({run["engine"]["backend"] for run in made if run.get("engine")})
    if len(backends) > 1:
        words.append(f"trained on {len(backends)} backends: {', '.join(backends)}")
    weights = sorted({_trunk(run) for run in made if run.get("weights")})
    if weights:
        words.append(f"weights of the trunk: {'; '.join(weights)}")
    return ". ".join(word[0].upper() + word[1:] for word in words) + "." if words else ""


def _trunk(run: Mapping[str, Any]) -> str:
    """Name the origin of a run's trunk, and the corpus on which it was fine-tuned before the run's own task."""
    asked = next((one for one in _sections(run) if "fine_tune_on" in one), {})
    layers = asked.get("trainable_trunk", "all")
    if "nothing" in (asked.get("fine_tune_on", "nothing"), layers) or not asked.get("epochs", 1):
        return run["weights"]["origin"]
    tuned = "fine-tuned" if layers == "all" else "last layers fine-tuned"
    return f"{run['weights']['origin']} ({tuned} on {NAMES.get(asked['fine_tune_on'], asked['fine_tune_on'])})"


def _sections(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List a run's settings and those of each of its experiments."""
    settings = run.get("settings") or {}
    return [settings, *(one for one in settings.values() if isinstance(one, Mapping))]


def _parts(corpus: Mapping[str, Any], run: Mapping[str, Any], drawn: tuple[str, str] | None) -> str:
    """List a corpus's parts with their sizes; of FER-2013, those that a run learns and is tested on."""
    counts, data = corpus.get("counts", {}), run.get("data_settings") or {}
    study = next((one for one in _sections(run) if drawn and set(drawn) <= set(one)), None)
    if drawn and study and "Training" in counts:
        learnt, held_out = (f"{study[name]:,}" for name in drawn)
        return f"{learnt} to learn from and {held_out} to test on, of {counts['Training']:,} Training"
    tested, shares = split_named(str(data.get("test_split")), counts), {}
    learns = any("weights" in one or "test_scaling" in one for one in _sections(run))
    if learns and {"Training", tested} <= set(counts):
        counts = {part: counts[part] for part in ("Training", tested)}
        if "validation_fraction" in data and any("test_scaling" in one for one in _sections(run)):
            shares["Training"] = f" ({100 * data['validation_fraction']:g} % of it for validation)"
    return " + ".join(f"{count:,} {part}{shares.get(part, '')}" for part, count in counts.items())
