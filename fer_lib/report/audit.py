"""Tables and terminal lines of the audit: its findings next to measured results."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_lib.audit import engine
from fer_lib.datasets.face_dataset import split_named
from fer_lib.evaluation import metrics
from fer_lib.provenance import read_values
from fer_lib.published.records import SCALES, Announced, Measured, Quoted, Record, Statement, matches, matching
from fer_lib.settings import PROJECT
from fer_lib.tables.base import Table, weights_note

Results = Mapping[str, Mapping[str, Any]]
"""Contents of metrics files by name (``"resnet50_mlp_seed0"``): ``values``, ``provenance`` and ``synthetic``."""

NOT_RUN = "not run yet"
TEST_PART = "{test part}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
PROFILES = ("paper", "quick", "smoke")


@dataclass(frozen=True)
class PaperAudit:
    """The audit of one paper next to measured results.

    Attributes:
        record: the printed numbers of the paper.
        results: contents of metrics files by name, such as ``"resnet50_mlp_seed0"``.
        found: the findings of the audit.
    """

    record: Record
    results: Results
    found: list[engine.Finding]

    @property
    def used(self) -> dict[str, Mapping[str, Any]]:
        """The results that the record names, by name."""
        parts = [*self.record.measured, *self.record.quoted]
        pairs = [(part, subject) for part in parts for subject in matching(part.ids, self.record)]
        patterns = {_file_pattern(part, subject) for part, subject in pairs}
        return {
            name: content
            for name, content in self.results.items()
            if any(re.fullmatch(pattern, name) for pattern in patterns)
        }

    @property
    def synthetic(self) -> bool:
        """Whether any result that the record names comes from generated faces."""
        return any(content["synthetic"] for content in self.used.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes under every table: the record's own, the origin of results and weights, the meaning of brackets."""
        notes = [self.record.note] if self.record.note else []
        made = [content["provenance"] for content in self.used.values()]
        if made:
            profiles = sorted({each.get("profile") or "unknown" for each in made})
            seeds = sorted({each["seed"] for each in made if each.get("seed") is not None})
            notes.append(
                f"Measured by profile {', '.join(profiles)}, seeds {', '.join(map(str, seeds))}. Brackets: 95 % "
                "intervals; over several seeds mean ± s.d. with the interval of the mean over seeds and faces."
            )
        if any(part.over_seeds for part in self.record.measured):
            notes.append('"Over seeds": median, and range over initial weights.')
        weights = next((each["weights"] for each in made if each.get("weights")), None)
        return (*notes, *([weights_note(weights, model="ResNet50")] if weights else []))

    def findings_table(self) -> Table:
        """Build the table of findings: printed value, verdict, measured value, conclusion, how to rerun.

        Findings that say the same about several statements share a row. Where a number cannot be right, the row says
        why; where nothing is wrong with it, the row says what was checked.
        """
        grouped: dict[tuple[str, ...], list[engine.Finding]] = {}
        for finding in self.found:
            grouped.setdefault((finding.verdict, finding.says, finding.explains), []).append(finding)
        rows = []
        for (verdict, says, explains), same in grouped.items():
            names = {name for finding in same for name in finding.statements}
            subjects = [each for each in self.record.subjects if each.id in names]
            experiment = self.record.experiments.get(same[0].experiment)
            rows.append(
                {
                    "printed": _printed(subjects) or _texts_places(self.record, same[0].check),
                    "possible?": verdict,
                    "measured (95 % interval)": _measured_of(self.record, subjects, self.results),
                    "what follows, and what would explain it": " ".join(text for text in (says, explains) if text),
                    "how to rerun": f"`{experiment.run}`: {experiment.shown}" if experiment else "–",
                }
            )
        order = {verdict: place for place, verdict in enumerate(engine.VERDICTS)}
        rows.sort(key=lambda row: order[row["possible?"]])
        title = f"{self.record.paper}: can the printed numbers be right, and what was measured"
        return Table(pd.DataFrame(rows), title, self.synthetic, (*self.notes, *_audit_notes(self.found)))

    def headlines_table(self) -> Table:
        """Build the short table of the most telling findings; a note says how to rerun the experiments behind them."""
        found = {finding.check: finding for finding in self.found}
        rows = []
        for headline in self.record.headlines:
            finding = found[headline.check]
            subjects = [each for each in self.record.subjects if each.id in finding.statements]
            rows.append(
                {
                    "printed": _printed(subjects),
                    "possible?": finding.verdict,
                    "measured (95 % interval)": _measured_of(self.record, subjects, self.results),
                    "what follows": headline.in_short,
                }
            )
        names = dict.fromkeys(found[headline.check].experiment for headline in self.record.headlines)
        runs = [f"`{self.record.experiments[name].run}`" for name in names if name in self.record.experiments]
        rerun = [f"What was measured is measured again by {' and '.join(dict.fromkeys(runs))}."] if runs else []
        title = f"{self.record.paper}: what the audit finds, in short"
        return Table(pd.DataFrame(rows), title, self.synthetic, (*self.notes, *rerun))

    def statements_table(self) -> Table:
        """Build the table of every printed number with its place, its gravest verdict, and the measured value."""
        rows = [
            {
                "place": " · ".join(part for part in (each.place, each.column) if part),
                "quantity": each.quantity,
                "printed": each.value,
                "unit": each.unit,
                "possible?": engine.verdict_of(each.id, self.found),
                "measured": measured_text(self.record, each, self.results),
            }
            for each in self.record.statements
        ]
        title = f"{self.record.paper}: every printed number, with its place"
        return Table(pd.DataFrame(rows), title, self.synthetic)

    def quotes_table(self) -> Table:
        """Build the table of measured values that a reader should quote in place of the paper's claims."""
        rows = []
        for part in self.record.quoted:
            subjects = matching(part.ids, self.record)
            rows.append(
                {
                    "instead of": _printed(subjects),
                    "quote": self._named(part),
                    "measured, % (95 % interval)": _looked_up(part, subjects[0], self.results) or NOT_RUN,
                    "because": part.because,
                }
            )
        title = f"{self.record.paper}: what to quote instead"
        return Table(pd.DataFrame(rows), title, self.synthetic, self.notes)

    def quotes_frame(self) -> pd.DataFrame:
        """Build a frame of the values to quote: ``name``, ``printed``, ``value``, ``low``, … in per cent.

        ``results`` lists the results that a value comes from. Results that were not run and values that are no shares
        are left out.
        """
        rows = []
        for part in self.record.quoted:
            subject = matching(part.ids, self.record)[0]
            found = _estimate(part, subject, self.results)
            if isinstance(found, _Estimate) and part.scale == 100:
                printed = np.nan
                if isinstance(subject, Statement) and subject.unit in SCALES:
                    printed = 100 * float(subject.value) / SCALES[subject.unit]
                pattern = _file_pattern(part, subject)
                names = [name for name in self.results if re.fullmatch(pattern, name)]
                rows.append({"name": self._named(part), "printed": printed, **found._asdict(), "results": names})
        return pd.DataFrame(rows, columns=["name", "printed", *_Estimate._fields, "results"])

    def _named(self, part: Quoted) -> str:
        """Name a value to quote; ``{test part}`` in its name becomes the part of FER-2013 that was tested."""
        pattern = _file_pattern(part, matching(part.ids, self.record)[0])
        made = [content.get("provenance", {}) for name, content in self.results.items() if re.fullmatch(pattern, name)]
        parts = {
            split_named(run["data_settings"]["test_split"], run["data"]["fer2013"]["counts"])
            for run in made
            if "test_split" in run.get("data_settings", {}) and "fer2013" in run.get("data", {})
        }
        return part.name.replace(TEST_PART, " and ".join(sorted(parts)) or "PrivateTest")

    def calibration_table(self) -> Table:
        """Build the table of how sure a model must be for a printed loss and accuracy, next to the trained models.

        A printed accuracy is read as categorical. ``sure`` is the confidence of a model that is equally sure of every
        face at that accuracy and loss. Rows of trained models also have the mean largest output and the expected
        calibration error.
        """
        rows = []
        for loss, accuracy in engine.loss_accuracy_pairs(self.record):
            share = float(accuracy.value) / SCALES[accuracy.unit]
            classes = self.record.sets[loss.of[0]].classes
            name = f"{loss.model}, printed"
            rows.append(_calibration_row(name, f"{loss.split}", share, float(loss.value), classes=classes))
        for name, content in self.results.items():
            scores = pd.DataFrame(content["values"].get("scores", []))
            if not {"split", "metric"} <= set(scores.columns):
                continue
            testing = scores[scores["split"] == "testing"].set_index("metric")["value"]
            curve = pd.DataFrame(content["values"].get("reliability", []))
            classes = int(testing.index.str.startswith("recall_").sum())
            share, nats = testing["categorical_accuracy"], testing["loss"]
            rows.append(_calibration_row(name, "testing", share, nats, classes=classes, curve=curve))
        title = f"{self.record.paper}: loss, categorical accuracy and how sure a model is"
        return Table(pd.DataFrame(rows), title, self.synthetic)


def of(record: Record, results: Results) -> PaperAudit:
    """Audit a record and put the results next to it."""
    return PaperAudit(record, results, engine.audit(record))


def measured_text(record: Record, subject: Statement | Announced, results: Results) -> str:
    """Format the measured value of a statement with its interval, or say why there is none."""
    parts = [part for part in record.measured if matches(subject, part.ids)]
    found = [(part.name, _looked_up(part, subject, results)) for part in parts]
    texts = list(dict.fromkeys(f"{name}: {text}" if name else text for name, text in found if text))
    if texts:
        return "; ".join(texts)
    if parts:
        return NOT_RUN
    reasons = [part.because for part in record.not_measured if matches(subject, part.ids)]
    return f"– ({reasons[0]})" if reasons else "–"


def _calibration_row(
    name: str, split: str, accuracy: float, loss: float, *, classes: int, curve: pd.DataFrame | None = None
) -> dict[str, str]:
    largest, miscalibrated = "–", "–"
    if curve is not None and len(curve) > 0:
        largest = f"{np.average(curve['confidence'], weights=curve['faces']):.4f}"
        miscalibrated = f"{metrics.calibration_error(curve):.4f}"
    return {
        "model": name,
        "faces": split,
        "categorical accuracy": f"{accuracy:.4f}",
        "loss (nats)": f"{loss:.2f}" if curve is None else f"{loss:.4f}",
        **engine.sureness(accuracy, loss, classes),
        "mean largest output": largest,
        "calibration error": miscalibrated,
    }


def _measured_of(record: Record, subjects: Iterable[Statement | Announced], results: Results) -> str:
    """Format the measured values of several statements, each text once, with a label in front where they differ."""
    texts: dict[str, list[str]] = {}
    for subject in subjects:
        if any(matches(subject, part.ids) for part in record.measured):
            model = getattr(subject, "model", None)
            label = f"{subject.quantity} of {model}" if model else subject.quantity
            texts.setdefault(measured_text(record, subject, results), []).append(label)
    if len(texts) > 2:
        return "see the table of every printed number"
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{labels[0]}: {text}" for text, labels in texts.items()) or "–"


def _looked_up(part: Measured | Quoted, subject: Statement | Announced, results: Results) -> str | None:
    """Format a value with its interval; over several seeds the mean ± s.d. and its interval; None: not run."""
    found = _estimate(part, subject, results)
    if found is None or not isinstance(found, _Estimate):
        return found
    unit = "%" if part.scale == 100 else getattr(subject, "unit", "")
    text = _number(found.value, unit) + (f" ± {_number(found.spread, unit)}" if found.spread else "")
    if np.isnan(found.low):
        return text
    low, high = _number(found.low, unit), _number(found.high, unit)
    if part.over_seeds:
        return f"{text} ({low} to {high} over seeds)" if low != high else f"{text} (every seed)"
    return f"{text} [{low}, {high}]"


class _Estimate(NamedTuple):
    """A number in the unit of its statement; ``low`` and ``high`` are NaN where it has no interval."""

    value: float
    spread: float
    low: float
    high: float


def _estimate(part: Measured | Quoted, subject: Statement | Announced, results: Results) -> _Estimate | str | None:
    """Look up a measured value: a number over all seeds, or the text of a setting; None: not run."""
    pattern = _file_pattern(part, subject)
    contents = [content for name, content in results.items() if re.fullmatch(pattern, name)]
    rows = [row for content in contents if (row := _row(part, content, subject)) is not None]
    key, ends = _filled(part.value, subject), part.bounds or part.over_seeds
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return None
    if not isinstance(values[0], (int, float)) or isinstance(values[0], bool):
        return _plain(values[0])
    found = part.scale * np.array(values)
    backends = {_backend(content) for content in contents}
    # the values of seeds that different backends trained have no standard deviation of seeds
    spread = float(found.std(ddof=1)) if len(set(values)) > 1 and len(backends) == 1 else 0.0
    bounds: list[list[Any]] = [[row.get(end) for end in ends] for row in rows]
    if not ends or any(end is None for pair in bounds for end in pair):
        return _Estimate(float(found.mean()), spread, np.nan, np.nan)
    lows, highs = part.scale * np.array(bounds, dtype=float).T
    if part.over_seeds or len(rows) == 1:
        return _Estimate(float(found.mean()), spread, float(lows.min()), float(highs.max()))
    share = part.scale == 100 or getattr(subject, "unit", "") == "fraction"
    largest = part.scale if share else 1  # shares may be in per cent
    mean_ends = metrics.mean_over_seeds(found / largest, lows / largest, highs / largest, share=share)
    return _Estimate(float(found.mean()), spread, *(float(largest * end) for end in mean_ends))


def _backend(content: Mapping[str, Any]) -> str | None:
    engine_used = (content.get("provenance") or {}).get("engine") or {}
    return engine_used.get("backend")


def _row(part: Measured, content: Mapping[str, Any], subject: Statement | Announced) -> Mapping[str, Any] | None:
    """Find the mapping that contains a value: a row of a frame, or the place itself."""
    place: Any = content
    for step in _filled(part.at, subject).split("/"):
        place = place.get(step) if isinstance(place, Mapping) else None
    if not part.where:
        return place if isinstance(place, Mapping) else None
    wanted = {key: _filled(value, subject) if isinstance(value, str) else value for key, value in part.where.items()}
    rows = place if isinstance(place, list) else []
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


def _file_pattern(part: Measured | Quoted, subject: Statement | Announced) -> str:
    """Build the pattern of the names of a part's metrics files, one a seed."""
    return rf"{re.escape(_filled(part.file, subject))}(_seed\d+)?"


def _filled(text: str, subject: Statement | Announced) -> str:
    """Replace ``{id}``, ``{split}`` and so on by the fields of the statement."""
    return re.sub(r"\{(\w+)\}", lambda found: str(getattr(subject, found[1], found[0])), text)


def _number(value: float, unit: str) -> str:
    if unit in ("fraction", "nats"):
        return f"{value:.4f}"
    return f"{value:.2f}" if unit == "%" else f"{round(value, 4):,.10g}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each).replace(", ", ",") for each in value)
    return str(value)


def _printed(subjects: Iterable[Statement | Announced]) -> str:
    """Format printed values with their places; with their columns too where there are few."""
    subjects = list(subjects)
    exact = len(subjects) <= 4
    shown: dict[str, list[str]] = {}
    for each in subjects:
        unit = getattr(each, "unit", "")
        unit = f" {unit}" if unit.startswith("%") else ""
        value = f"{each.quantity}: nothing" if isinstance(each, Announced) else each.value + unit
        place = " · ".join(part for part in (each.place, getattr(each, "column", "")) if part)
        shown.setdefault(value, []).append(place if exact else each.place.partition(",")[0])
    places = [", ".join(dict.fromkeys(where)) for where in shown.values()]
    if len(set(places)) == 1 and len(shown) > 1:
        return f"{', '.join(shown)} ({places[0]})"
    return "; ".join(f"{value} ({where})" for value, where in zip(shown, places, strict=True))


def _texts_places(record: Record, check: str) -> str:
    places = next((getattr(each, "places", ()) for each in record.checks if each.id == check), ())
    return f"text ({', '.join(places)})" if places else "–"


def _audit_notes(found: Sequence[engine.Finding]) -> tuple[str, ...]:
    notes = ["A share to which no count rounds may still be a mean over tests or classes, or cut off, not rounded."]
    pairs = [finding.cross_checked.split(" of ") for finding in found if finding.cross_checked]
    if pairs:
        alike, asked = (sum(int(pair[place]) for pair in pairs) for place in (0, 1))
        notes.append(f"The package mlscorecheck was asked {asked} of these questions too and answers {alike} alike.")
    return tuple(notes)


def choose_results(record: Record, root: str | Path) -> tuple[str, dict[str, Any]]:
    """Choose the fullest results with a value that the record quotes: their name and contents.

    ``paper`` comes before ``quick``, and ``quick`` before ``smoke``; of each profile the results under ``root`` come
    before the project's own reference. If none has such a value, the name is empty.
    """
    for profile in PROFILES:
        for name, folder in ((profile, Path(root)), (f"reference/{profile}", PROJECT / "results")):
            results = read_values(folder / name)
            if any(_looked_up(part, matching(part.ids, record)[0], results) for part in record.quoted):
                return name, results
    return "", {}


def terminal_lines(paper: PaperAudit, *, width: int) -> list[str]:
    """Format the findings, gravest first, and the values to quote instead as lines for a terminal."""
    table, quotes = paper.findings_table(), paper.quotes_table()
    if not len(table.frame):
        return [f"{paper.record.paper}: nothing to check, because no statement has `of` and the record has no checks."]
    lines = ["", table.heading, ""]
    for row in table.frame.to_dict("records"):
        printed, verdict, measured, follows, rerun = row.values()
        lines += textwrap.wrap(f"{verdict.upper()}: {printed}", width)
        shown = {
            "measured": measured if measured != "–" else "",
            "": follows,
            "rerun": rerun.replace("`", "").strip("–"),
        }
        for name, text in shown.items():
            text = f"{name}: {text}" if name and text else text
            lines += textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")
        lines.append("")
    lines += [line for note in table.notes for line in textwrap.wrap(note, width)]
    if len(quotes.frame):
        lines += ["", quotes.heading, ""]
        for instead, name, measured, because in quotes.frame.itertuples(index=False):
            text = f"{name}: {measured}, instead of {instead}: {because}."
            lines += textwrap.wrap(text, width, initial_indent="- ", subsequent_indent="  ")
    return [_CONTROL.sub("?", line) for line in lines]
