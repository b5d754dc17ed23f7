"""Test the audit of records: verdicts, errors in records, tables next to measured results, the command."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from fer_lib import artifacts, cli, published
from fer_lib.audit import engine
from fer_lib.errors import FerError
from fer_lib.provenance import read_values
from fer_lib.published import reading, records
from fer_lib.report import audit as audit_report

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "docs" / "audit_example.yaml"
SMALL = {
    "paper": "small",
    "title": "A small record",
    "sets": {"test": {"faces": 40, "classes": 4, "stated_by": ["faces"]}},
    "statements": [
        {"id": "faces", "place": "Text", "quantity": "faces", "value": "40", "unit": "faces", "states": "40 faces"},
        {"id": "accuracy", "place": "Table 1, row 1", "quantity": "accuracy", "value": "82.5", "unit": "%"}
        | {"states": "Net", "model": "net", "split": "testing", "metric": "accuracy", "of": ["test"]},
    ],
}
METRICS = {
    "net_seed0": {
        "values": {"scores": [{"split": "testing", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6}]},
        "provenance": {"settings": {"batch_size": 64, "shift": 0.1, "kinds": [[1, 2], [3]], "on": True}},
        "synthetic": True,
    },
    "net_seed1": {
        "values": {"scores": [{"split": "testing", "metric": "accuracy", "value": 0.6, "low": 0.5, "high": 0.7}]},
        "provenance": {"settings": {"batch_size": 64, "shift": 0.1, "kinds": [[1, 2], [3]], "on": True}},
        "synthetic": True,
    },
}


def record_of(**changes):
    return reading.from_content({**copy.deepcopy(SMALL), **changes}, where="small.yaml")


@pytest.fixture(scope="module")
def findings():
    """Findings of each record, by the name of the check."""
    known = {paper: published.record(paper) for paper in published.papers()} | {"example": reading.read(EXAMPLE)}
    return {name: {finding.check: finding for finding in engine.audit(record)} for name, record in known.items()}


@pytest.mark.parametrize("paper", ["chen2023", "liu2023", "example"])
def test_mlscorecheck_agrees_wherever_it_is_asked(findings, paper):
    asked = [found.cross_checked.split(" of ") for found in findings[paper].values() if found.cross_checked]
    assert len(asked) >= 3
    assert all(alike == count for alike, count in asked)


@pytest.mark.parametrize("paper", ["chen2023", "liu2023", "example"])
def test_every_finding_has_a_verdict_and_reads_as_sentences(findings, paper):
    assert len(findings[paper]) >= 14
    for found in findings[paper].values():
        assert found.verdict in engine.VERDICTS[:4]
        for sentence in (found.says, found.explains):
            assert not sentence or re.fullmatch(r"[A-Z0-9\"].*[.]", sentence), sentence
            assert "  " not in sentence


def test_where_a_number_cannot_be_right_an_experiment_tests_what_would_explain_it(findings):
    for paper in ("chen2023", "liu2023"):
        for found in findings[paper].values():
            fine = found.verdict in ("consistent", "announced, not printed")
            assert found.experiment or fine or found.check in ("over-the-cnn", "testing-size", "equation-1"), (
                found.check
            )


@pytest.mark.parametrize("paper", published.papers())
def test_every_statement_says_what_of_ours_it_corresponds_to_or_why_nothing(paper):
    record = published.record(paper)
    for subject in record.subjects:
        ours = [part for part in record.measured if subject in records.matching(part.ids, record)]
        reasons = [part for part in record.not_measured if subject in records.matching(part.ids, record)]
        assert bool(ours) + bool(reasons) == 1, subject.id


@pytest.mark.parametrize("paper", published.papers())
def test_every_value_that_a_record_names_stands_in_the_committed_results(paper):
    """A misspelt key would read as "not run yet" for ever."""
    record = published.record(paper)
    quick = read_values(PROJECT / "results" / "reference" / "quick")
    names = {part.file for part in record.measured}
    assert names - {"{model}"} <= {re.sub(r"_seed\d+$", "", name) for name in quick}
    for statement in record.subjects:
        if any(statement in records.matching(part.ids, record) for part in record.measured):
            assert audit_report.measured_text(record, statement, quick) != audit_report.NOT_RUN, statement.id


@pytest.mark.parametrize("paper", published.papers())
def test_the_headlines_are_findings(paper):
    audited = audit_report.of(published.record(paper), {})
    table = audited.headlines_table().frame
    assert len(table) == len(audited.record.headlines) >= 4
    assert (table["printed"] != "").all()


def test_the_schema_file_is_the_schema_and_takes_the_records():
    schema = json.loads((PROJECT / "fer_lib" / "published" / "schema.json").read_text(encoding="utf-8"))
    assert schema == json.loads(json.dumps(records.json_schema()))
    for path in [*(PROJECT / "fer_lib" / "published").glob("*.yaml"), EXAMPLE]:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**SMALL, "statments": []}, schema)


@pytest.mark.parametrize(
    ("sets", "value", "verdict", "words"),
    [
        ({"test": (40, True)}, "82.5", "consistent", ["82.5 %", "33 of 40"]),
        ({"test": (40, False)}, "82.5", "right only if", ["does not state", "33 of 40 (a guess)"]),
        ({"test": (40, False)}, "82.4", "right only if", ["82.4 %"]),
        ({"test": (40, True)}, "82.4", "cannot be right as stated", ["82.4 %", "34 and 51", "4 %", "40 faces"]),
        ({"test": (41, True), "all": (40, False)}, "82.5", "right only if", ["41 faces", "82.5 %", "33 of 40"]),
        ({"test": (41, True), "all": (40, True)}, "82.5", "right only if", ["82.5 %", "33 of 40", "41 faces"]),
        ({"test": (80, True), "all": (40, True)}, "82.5", "consistent", ["66 of 80 and 33 of 40"]),
    ],
)
def test_a_share_is_consistent_where_every_stated_size_fits(sets, value, verdict, words):
    stated = {True: {"stated_by": ["faces"]}, False: {"because": "a guess"}}
    tried = {name: {"faces": faces, "classes": 4} | stated[said] for name, (faces, said) in sets.items()}
    statements = copy.deepcopy(SMALL["statements"])
    statements[1] |= {"value": value, "of": list(tried)}
    (found,) = engine.audit(record_of(sets=tried, statements=statements))
    assert found.verdict == verdict
    assert [each for each in words if each not in found.says] == []


def test_the_gravest_finding_is_the_verdict_about_a_statement(findings):
    found = findings["liu2023"].values()
    assert engine.verdict_of("section31-accuracy", found) == "right only if"
    assert engine.verdict_of("section31-wrong", found) == "cannot be right as stated"
    assert engine.verdict_of("table3-own", found) == "cannot be right as stated"
    assert engine.verdict_of("python", found) == "nothing to check it against"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"statements": []}, ["statements"]),
        ({"satements": []}, ["'satements'", "did you mean 'statements'?"]),
        ({"title": None}, ["title", "None"]),
        ({"readings": ["binry"]}, ["readings.0", "'binry'", "'binary'"]),
        ({"statements": SMALL["statements"] * 2}, ["'faces'", "id"]),
        ({"sets": {"tset": SMALL["sets"]["test"]}}, ["statement accuracy, of", "'test'", "did you mean 'tset'?"]),
        ({"sets": {"test": {"faces": 40, "classes": 4}}}, ["sets.test", "stated_by", "because"]),
        ({"sets": {"test": SMALL["sets"]["test"] | {"class_faces": [10, 10, 10, 11]}}}, ["sets.test", "4", "40"]),
        ({"sets": {"test": SMALL["sets"]["test"] | {"clases": 4}}}, ["'clases'", "sets.test", "mean 'classes'?"]),
        (
            {"checks": [{"id": "a", "check": "sum", "of": ["faces"], "gives": "face"}]},
            ["check a", "'face'", "'faces'?"],
        ),
        ({"checks": [{"id": "a", "check": "sum", "of": ["faces"]}]}, ["'checks.a.gives'"]),
        ({"checks": [{"id": "a", "check": "summ"}]}, ["'summ'", "'sum'"]),
        ({"checks": [{"id": "a", "check": "same", "of": ["faces"], "off": 1}]}, ["'off'", "checks.a", "mean 'of'?"]),
        ({"measured": [{"ids": ["x*"], "file": "net", "value": "v"}]}, ["'x*'", "measured, not_measured or quoted"]),
        (
            {"checks": [{"id": "a", "check": "same", "of": ["faces"], "experiment": "H1"}]},
            ["check a, experiment", "'H1'"],
        ),
    ],
)
def test_a_record_that_is_wrong_is_told_in_one_sentence(change, parts):
    with pytest.raises(FerError) as error:
        record_of(**change)
    said = str(error.value)
    assert [part for part in ["small.yaml", *parts] if part not in said] == []
    assert "\n" not in said


@pytest.mark.parametrize(("key", "value"), [("value", "eighty"), ("unit", "faces")])
def test_a_share_must_be_a_number_with_a_unit_of_shares(key, value):
    statements = copy.deepcopy(SMALL["statements"])
    statements[1][key] = value
    with pytest.raises(FerError, match="statement accuracy"):
        record_of(statements=statements)


def test_files_that_are_no_records(tmp_path):
    for name, content, part in [
        ("a.yaml", b"paper: [", r"\(line \d+\)"),
        ("b.yaml", b"- 1", "paper, title and statements"),
        ("c.yaml", b"\xff\xfe\x00", "YAML"),
        ("d.yaml", b"#" * (2**20 + 1), "1 MB"),
        ("e.yaml", b"paper: &a x\ntitle: *a", "YAML alias"),
        ("f.yaml", b"paper: 2001-13-45", "YAML"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerError, match=rf"{name}.*({part})"):
            reading.read(tmp_path / name)
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(FerError, match=rf"{re.escape(str(path))}.*docs/audit\.md"):
            reading.read(path)


NET = SMALL["statements"][1]
WITHOUT_ANSWER = [
    {"check": "sum", "of": ["faces", "accuracy"], "gives": "faces"},
    {"check": "product", "of": ["zero"], "gives": "faces"},
    {"check": "fills", "batch": "zero", "of": ["faces"]},
    {"check": "wrong_count", "share": "faces", "wrong": "faces", "of": ["test"]},
    {"check": "wrong_count", "share": "accuracy", "wrong": "zero", "of": ["test"]},
    {"check": "same_metric", "of": ["faces"]},
    {"check": "same_faces", "of": ["loss"]},
    {"check": "at_least", "of": ["accuracy"], "bound": "words"},
    {"check": "at_least", "of": ["accuracy"], "bound": "faces"},
    {"check": "swapped", "first": ["accuracy", "words"], "second": ["accuracy", "accuracy"]},
]
WITH_ANSWER = [
    {"check": "same", "of": ["words", "faces", "zero"]},
    {"check": "wrong_count", "share": "accuracy", "wrong": "faces", "of": ["test"]},
    {"check": "wrong_count", "share": "whole", "wrong": "faces", "of": ["test"]},
    {"check": "at_least", "of": ["accuracy"], "bound": "whole"},
    {"check": "same_metric", "of": ["accuracy", "whole"]},
    {"check": "swapped", "first": ["accuracy", "whole"], "second": ["whole", "accuracy"]},
]


def odd_record(check, **changes):
    others = [
        NET | {"id": "whole", "value": "100", "place": "Table 2"},
        NET | {"id": "loss", "metric": "loss", "value": "1.2", "unit": "nats"},
        NET | {"id": "loss2", "metric": "loss", "value": "0.0", "unit": "nats", "place": "Table 2"},
        SMALL["statements"][0] | {"id": "zero", "value": "0"},
        SMALL["statements"][0] | {"id": "words", "value": "about 80"},
    ]
    return record_of(statements=[*SMALL["statements"], *others], checks=[{"id": "odd", **check}], **changes)


@pytest.mark.parametrize("check", WITHOUT_ANSWER, ids=str)
def test_a_question_without_an_answer_is_told(check):
    with pytest.raises(FerError, match="check odd"):
        odd_record(check)


@pytest.mark.parametrize("readings", [["categorical"], ["binary"], ["categorical", "binary"]])
@pytest.mark.parametrize("check", WITH_ANSWER, ids=str)
def test_an_odd_question_has_a_finding(check, readings):
    paper = audit_report.of(odd_record(check, readings=readings), {})
    assert len(paper.found) == 2 + 2 + 1
    assert audit_report.terminal_lines(paper, width=80)


@pytest.mark.parametrize(
    "change", [{"folds": 1}, {"folds": 11}, {"faces": 10**8}, {"faces": True}, {"faces": 0}, {"classes": 1}], ids=str
)
def test_sets_that_cannot_be_are_told(change):
    with pytest.raises(FerError, match=r"sets\.test"):
        record_of(sets={"test": SMALL["sets"]["test"] | change})


@pytest.mark.parametrize("value", ["110", "-3", "1e3", "33.3" + "1" * 40, ""])
def test_shares_that_cannot_be_are_told(value):
    statements = copy.deepcopy(SMALL["statements"])
    statements[1]["value"] = value
    with pytest.raises(FerError, match="accuracy"):
        record_of(statements=statements)


def test_sizes_near_many_faces_are_not_sought_for_ever():
    statements = copy.deepcopy(SMALL["statements"])
    statements[1]["value"] = "33.31415926535897"
    (found,) = engine.audit(record_of(statements=statements, sets={"test": SMALL["sets"]["test"] | {"faces": 999_983}}))
    assert "Sizes near by" not in found.says


def test_what_a_terminal_would_obey_is_not_passed_on():
    statements = copy.deepcopy(SMALL["statements"])
    statements[1]["place"] = "Table \x1b[31m1"
    lines = audit_report.terminal_lines(audit_report.of(record_of(statements=statements), {}), width=80)
    assert any("Table ?[31m1" in line for line in lines)
    bare = reading.from_content({**SMALL, "sets": {}, "statements": SMALL["statements"][:1]}, where="x")
    (line,) = audit_report.terminal_lines(audit_report.of(bare, {}), width=80)
    assert "small" in line
    assert "`of`" in line


BOUNDS = {"scale": 100, "bounds": ["low", "high"]}
MEASURED = {"ids": ["accuracy"], "file": "net", "at": "values/scores", "where": {"split": "{split}"}, "value": "value"}


@pytest.mark.parametrize(
    ("part", "results", "text"),
    [
        (MEASURED | {"scale": 100}, {"net_seed0": METRICS["net_seed0"]}, "50.00"),
        (
            MEASURED | BOUNDS,
            {"net_seed0": METRICS["net_seed0"]},
            "50.00 [40.00, 60.00]",
        ),
        (MEASURED | BOUNDS, METRICS, "55.00 ± 7.07 [8.33, 94.28]"),  # two seeds: Student's t is 12.7
        (
            MEASURED | {"over_seeds": ["low", "high"], "name": "net"},
            METRICS,
            "net: 0.55 ± 0.07 (0.40 to 0.70 over seeds)",
        ),
        (MEASURED | {"where": {"split": "training"}}, METRICS, "not run yet"),
        (MEASURED | {"file": "other"}, METRICS, "not run yet"),
        (MEASURED | {"at": "provenance/settings", "where": {}, "value": "kinds"}, METRICS, "[1,2], [3]"),
        (MEASURED | {"at": "provenance/settings", "where": {}, "value": "on"}, METRICS, "yes"),
        (MEASURED | {"at": "provenance/nothing", "where": {}, "value": "on"}, METRICS, "not run yet"),
    ],
)
def test_what_was_measured_is_looked_up(part, results, text):
    record = record_of(measured=[part])
    assert audit_report.measured_text(record, record["accuracy"], results) == text


def test_settings_that_agree_over_seeds_have_no_spread():
    part = {"ids": ["faces"], "file": "net", "at": "provenance/settings", "value": "batch_size"}
    record = record_of(measured=[part], not_measured=[{"ids": ["accuracy"], "because": "it is invented"}])
    assert audit_report.measured_text(record, record["faces"], METRICS) == "64"
    assert audit_report.measured_text(record, record["accuracy"], METRICS) == "– (it is invented)"


def test_the_tables_say_synthetic_and_put_the_gravest_first():
    record = record_of(
        measured=[MEASURED],
        quoted=[MEASURED | {"name": "net", "because": "it is measured"}],
        checks=[{"id": "same-faces", "check": "same", "of": ["faces", "accuracy"]}],
    )
    paper = audit_report.of(record, METRICS)
    table = paper.findings_table()
    assert table.synthetic
    assert table.frame["possible?"].to_list() == ["cannot be right as stated", "consistent"]
    assert not audit_report.of(record, {}).findings_table().synthetic
    quotes = paper.quotes_table()
    assert quotes.frame.iloc[0].to_list() == ["82.5 % (Table 1, row 1)", "net", "0.55 ± 0.07", "it is measured"]
    statements = paper.statements_table()
    assert statements.frame["possible?"].to_list() == ["cannot be right as stated", "cannot be right as stated"]
    for each in (table, quotes, statements):
        assert "SYNTHETIC" in each.to_markdown()


@pytest.mark.parametrize(
    ("test_split", "counts", "named"),
    [
        ("PrivateTest", {"Training": 4, "PublicTest": 1, "PrivateTest": 1}, "net on PrivateTest"),
        ("PublicTest", {"Training": 4, "PublicTest": 1, "PrivateTest": 1}, "net on PublicTest"),
        ("PrivateTest", {"Training": 4, "Test": 2}, "net on Test"),
        (None, {}, "net on PrivateTest"),
    ],
)
def test_a_quote_names_the_part_that_was_tested(test_split, counts, named):
    record = record_of(measured=[MEASURED], quoted=[MEASURED | {"name": "net on {test part}", "because": "so"}])
    facts = {"data_settings": {"test_split": test_split}, "data": {"fer2013": {"counts": counts}}} if test_split else {}
    results = {
        name: content | {"provenance": content.get("provenance", {}) | facts} for name, content in METRICS.items()
    }
    paper = audit_report.of(record, results)
    assert paper.quotes_table().frame.iloc[0]["quote"] == named
    assert paper.quotes_frame()["name"].to_list() in ([named], [])


def test_trained_models_stand_beside_the_printed_pairs_of_loss_and_accuracy():
    quick = read_values(PROJECT / "results" / "reference" / "quick")
    rows = audit_report.of(published.record("chen2023"), quick).calibration_table().frame.set_index("model")
    assert len(rows) == 6 + 3
    printed = rows.loc["resnet50_mlp, printed"].set_index("faces")
    assert printed.loc["testing", ["sure", "loss if as sure as right"]].to_list() == ["17.4 % or 99.998 %", "0.6662"]
    own = rows.loc["baseline_cnn_seed0"]
    assert (own["faces"], own["loss (nats)"]) == ("testing", "1.2301")
    assert 0 < float(own["calibration error"]) < float(own["mean largest output"]) < 1


def test_the_command_prints_the_tables_and_every_finding_as_json(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["audit", str(EXAMPLE)]) == 0
    shown = capsys.readouterr().out
    assert "CANNOT BE RIGHT AS STATED: 81.71 % (Table 2, row 2 · Accuracy)" in shown
    assert "This paper is invented" in shown
    assert max(map(len, shown.splitlines())) <= 120
    assert cli.main(["audit", str(EXAMPLE), "chen2023", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["paper"] for row in rows} == {"example", "chen2023"}
    assert {"check", "statements", "verdict", "says"} <= set(rows[0])


def test_the_command_sets_the_named_results_beside_them(capsys, monkeypatch, tmp_path):
    assert cli.main(["audit", "liu2023", "--results", str(PROJECT / "results" / "reference" / "quick")]) == 0
    assert "98.60 [97.23, 99.68]" in capsys.readouterr().out
    monkeypatch.setenv("FER_OUTPUT", str(PROJECT))
    assert cli.main(["audit", "liu2023"]) == 0
    assert "Measured: " in capsys.readouterr().out
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "net.json").write_text("[1]")
    for arguments, part in [
        (["audit", "liu2032"], "did you mean 'liu2023'?"),
        (["audit", "liu2023", "--results", str(tmp_path / "none")], str(tmp_path / "none")),
        (["audit", "liu2023", "--results", str(tmp_path)], str(tmp_path / "metrics" / "net.json")),
    ]:
        assert cli.main(arguments) == 2
        said = capsys.readouterr().err
        assert part in said
        assert said.count("\n") == 1


def test_metrics_files_of_a_run_are_read(tmp_path):
    run = artifacts.start("audit", profile="smoke", seed=None, output_dir=tmp_path)
    run.save_values({"faces": 3}, "net")
    assert read_values(tmp_path / "results" / "smoke")["net"]["values"] == {"faces": 3}
