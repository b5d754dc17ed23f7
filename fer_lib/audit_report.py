"""What readers see of the audit: findings beside what was measured, as tables for the report and for the terminal."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_lib import audit
from fer_lib.errors import FerError
from fer_lib.published.records import Announced, Measured, Quoted, Record, Statement, matching
from fer_lib.tables import Table

Results = Mapping[str, Mapping[str, Any]]
"""Contents of metrics files by name, such as ``"resnet50_mlp_seed0"``: ``values``, ``provenance`` and ``synthetic``."""

NOT_RUN = "not run yet"
PROFILES = ("paper", "quick", "smoke")


def findings_table(record: Record, found: Sequence[audit.Finding], results: Results) -> Table:
    """Returns a row a finding: what is printed, can it be, what was measured, what would explain it, how to rerun it.

    Findings that say the same of several statements share a row. Where a number cannot be right, the row says why;
    where nothing is wrong with it, what it was checked for.
    """
    grouped: dict[tuple[str, ...], list[audit.Finding]] = {}
    for finding in found:
        grouped.setdefault((finding.verdict, finding.says, finding.explains), []).append(finding)
    rows = []
    for (verdict, says, explains), same in grouped.items():
        names = list(dict.fromkeys(name for finding in same for name in (*finding.statements, finding.check)))
        subjects = [each for each in record.subjects if each.id in names]
        experiment = record.experiments.get(same[0].experiment)
        rows.append(
            {
                "printed": _printed(subjects) or _texts_places(record, same[0].check),
                "possible?": verdict,
                "measured (95 % interval)": _measured_of(record, subjects, results),
                "what follows, and what would explain it": " ".join(text for text in (says, explains) if text),
                "how to rerun": f"`{experiment.run}`: {experiment.shown}" if experiment else "–",
            }
        )
    order = {verdict: place for place, verdict in enumerate(audit.VERDICTS)}
    rows.sort(key=lambda row: order[row["possible?"]])
    title = f"{record.paper}: can the printed numbers be right, and what was measured"
    return Table(pd.DataFrame(rows), title, _synthetic(record, results), _notes(record, found))


def statements_table(record: Record, found: Sequence[audit.Finding], results: Results) -> Table:
    """Returns every printed number with its place, the gravest verdict about it, and what was measured."""
    rows = [
        {
            "place": " · ".join(part for part in (each.place, each.column) if part),
            "quantity": each.quantity,
            "printed": each.value,
            "unit": each.unit,
            "possible?": audit.verdict_of(each.id, found),
            "measured": measured_text(record, each, results),
        }
        for each in record.statements
    ]
    title = f"{record.paper}: every printed number, with its place"
    return Table(pd.DataFrame(rows), title, _synthetic(record, results))


def quotes_table(record: Record, results: Results) -> Table:
    """Returns what a reader should quote in place of the paper's claims, as far as it was measured."""
    rows = []
    for part in record.quoted:
        subjects = matching(part.ids, record)
        rows.append(
            {
                "instead of": _printed(subjects),
                "quote": part.name,
                "measured, % (95 % interval)": _looked_up(part, subjects[0], results) or NOT_RUN,
                "because": part.because,
            }
        )
    return Table(pd.DataFrame(rows), f"{record.paper}: what to quote instead", _synthetic(record, results))


def calibration_rows(record: Record, results: Results) -> pd.DataFrame:
    """Returns, for each printed pair of loss and accuracy and each trained model, how sure a model must be or is.

    Columns: ``model``, ``part``, ``accuracy`` (categorical), ``loss`` (nats), ``loss if as sure as right`` and ``sure``
    (of every face equally, at that accuracy and loss). Printed rows read the accuracy as categorical.
    """
    rows = []
    for loss, accuracy in audit.loss_accuracy_pairs(record):
        classes = record.sets[loss.of[0]].classes
        share = float(accuracy.value) / (100 if accuracy.unit == "%" else 1)
        rows.append(
            {"numbers": "printed", **audit.sureness(f"{loss.model}", loss.split, share, float(loss.value), classes)}
        )
    for name, content in results.items():
        frame = pd.DataFrame(content["values"].get("scores", []))
        if not {"split", "metric"} <= set(frame.columns):
            continue
        for split in ("validation", "testing"):
            part = frame[frame["split"] == split].set_index("metric")["value"]
            if {"loss", "categorical_accuracy"} <= set(part.index):
                sure = audit.sureness(name, split, part["categorical_accuracy"], part["loss"], 7)
                rows.append({"numbers": "measured", **sure})
    return pd.DataFrame(rows)


def measured_text(record: Record, subject: Statement | Announced, results: Results) -> str:
    """Returns what was measured of a statement, with its interval; else why nothing is, or that it is not run yet."""
    parts = [part for part in record.measured if subject in matching(part.ids, record)]
    found = [(part.name, _looked_up(part, subject, results)) for part in parts]
    texts = list(dict.fromkeys(f"{name}: {text}" if name else text for name, text in found if text))
    if texts:
        return "; ".join(texts)
    if parts:
        return NOT_RUN
    reasons = [part.because for part in record.not_measured if subject in matching(part.ids, record)]
    return f"– ({reasons[0]})" if reasons else "–"


def _measured_of(record: Record, subjects: Iterable[Statement | Announced], results: Results) -> str:
    """What was measured of several statements, each text once; a place in front where they differ."""
    texts: dict[str, list[str]] = {}
    for subject in subjects:
        if any(subject in matching(part.ids, record) for part in record.measured):
            texts.setdefault(measured_text(record, subject, results), []).append(subject.quantity)
    if len(texts) > 2:
        return "in the rows of each"
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{names[0]}: {text}" for text, names in texts.items()) or "–"


def _looked_up(part: Measured | Quoted, subject: Statement | Announced, results: Results) -> str | None:
    """A value with its interval, or over several seeds its mean ± s.d. with the outer ends of theirs; None: not run."""
    fields = {key: str(value) for key, value in vars(subject).items()}
    file = re.escape(part.file.format(**fields))
    contents = [content for name, content in results.items() if re.fullmatch(rf"{file}(_seed\d+)?", name)]
    rows = [row for content in contents if (row := _row(part, content, fields)) is not None]
    key = part.value.format(**fields)
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return None
    if not isinstance(values[0], (int, float)) or isinstance(values[0], bool):
        return _plain(values[0])
    unit = "%" if part.scale == 100 else getattr(subject, "unit", "")
    mean = _number(part.scale * sum(values) / len(values), unit)
    spread = f" ± {_number(part.scale * pd.Series(values).std(), unit)}" if len(set(values)) > 1 else ""
    ends = part.bounds or part.over_seeds
    found = [[row.get(end) for end in ends] for row in rows]
    if not ends or any(end is None for pair in found for end in pair):
        return mean + spread
    low = _number(part.scale * min(pair[0] for pair in found), unit)
    high = _number(part.scale * max(pair[1] for pair in found), unit)
    if part.over_seeds:
        return f"{mean}{spread} ({low} to {high} over seeds)" if low != high else f"{mean} (every seed)"
    return f"{mean}{spread} [{low}, {high}]"


def _row(part: Measured, content: Mapping[str, Any], fields: dict[str, str]) -> Mapping[str, Any] | None:
    """The mapping in which a value stands: a row of a frame, or the place itself."""
    place: Any = content
    for step in part.at.format(**fields).split("/"):
        place = place.get(step) if isinstance(place, Mapping) else None
    if not part.where:
        return place if isinstance(place, Mapping) else None
    wanted = {key: value.format(**fields) if isinstance(value, str) else value for key, value in part.where.items()}
    rows = place if isinstance(place, list) else []
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


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
    shown: dict[str, list[str]] = {}
    for each in subjects:
        if isinstance(each, Announced):
            shown.setdefault(f"{each.quantity}: nothing", []).append(each.place)
            continue
        unit = " %" if each.unit == "%" else ""
        shown.setdefault(f"{each.value}{unit}", []).append(" · ".join(p for p in (each.place, each.column) if p))
    return "; ".join(f"{value} ({', '.join(dict.fromkeys(places))})" for value, places in shown.items())


def _texts_places(record: Record, check: str) -> str:
    places = next((getattr(each, "places", ()) for each in record.checks if each.id == check), ())
    return f"text ({', '.join(places)})" if places else "–"


def _notes(record: Record, found: Sequence[audit.Finding]) -> tuple[str, ...]:
    pairs = [finding.cross_checked.split(" of ") for finding in found if finding.cross_checked]
    notes = [record.note] if record.note else []
    if pairs:
        alike, asked = (sum(int(pair[place]) for pair in pairs) for place in (0, 1))
        notes.append(f"The package mlscorecheck was asked {asked} of these questions too and answers {alike} alike.")
    return tuple(notes)


def load_results(folder: str | Path) -> dict[str, Any]:
    """Returns the metrics files of a profile's results, such as ``results/paper``, by name; none where it has none.

    Raises:
        FerError: a file is not one of ours.
    """
    found = {}
    for path in sorted(Path(folder, "metrics").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = {key: content[key] for key in ("values", "provenance", "synthetic")}
        except (ValueError, KeyError, TypeError):
            raise FerError(
                f"{path} is no metrics file of this project; delete it and run its notebook again."
            ) from None
    return found


def choose_results(record: Record, root: str | Path) -> tuple[str, dict[str, Any]]:
    """Returns the name and contents of the fullest profile under ``root`` that measured what the record quotes.

    ``paper`` goes before ``quick``, and ``quick`` before ``smoke``; without any the name is empty.
    """
    for profile in PROFILES:
        results = load_results(Path(root, profile))
        if any(_looked_up(part, matching(part.ids, record)[0], results) for part in record.quoted):
            return profile, results
    return "", {}


def terminal_lines(record: Record, found: Sequence[audit.Finding], results: Results, *, width: int) -> list[str]:
    """Returns the findings' table, gravest first, and what to quote instead, as lines for a terminal."""
    table, quotes = findings_table(record, found, results), quotes_table(record, results)
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
    return lines


def _synthetic(record: Record, results: Results) -> bool:
    """Whether any result that the record names comes from generated faces."""
    files = {part.file.partition("{")[0] for part in (*record.measured, *record.quoted)}
    return any(content.get("synthetic") for name, content in results.items() if name.startswith(tuple(files)))
