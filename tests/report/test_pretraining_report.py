"""Test what the report shows of the pre-training, on invented results of notebook 00."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fer_lib import artifacts
from fer_lib.evaluation import metrics
from fer_lib.figures import drawn
from fer_lib.report import pretraining

ACCURACY = metrics.top_k(np.eye(6)[[0, 1, 2, 3]], np.array([0, 1, 2, 5]))
PROBE = {"features": ["pretrained", "random"], "scaling": "trunk", "accuracy": [0.4, 0.3], "low": 0.2, "high": 0.5}
GAINS = {"features": ["pretrained"], "scaling": "trunk", "over": "random", "difference": 0.1, "low": 0.0, "high": 0.2}


def test_without_notebook_00_nothing_is_shown(tmp_path):
    assert pretraining.shown(artifacts.start("08_replication_report", output_dir=str(tmp_path))) == []


def test_the_curves_and_both_tables_are_shown(tmp_path):
    run = artifacts.start("00_pretraining", output_dir=str(tmp_path))
    shares = {name: [0.1, 0.2] for name in ("loss", "top1", "top5", "val_loss", "val_top1", "val_top5")}
    run.save_rows(
        pd.DataFrame({"epoch": [1, 2], "image_size": [32, 48], **shares}), "pretraining_seed0", folder="histories"
    )
    kept = {"accuracy": ACCURACY, "classes": 6, "linear_probe": pd.DataFrame(PROBE), "gains": pd.DataFrame(GAINS)}
    kept |= {"sha256": {"a.weights.h5": "aa"}}
    run.save_values(artifacts.plain(kept), "pretraining_seed0")
    report = artifacts.start("08_replication_report", output_dir=str(tmp_path))
    curves, accuracy, probe = pretraining.shown(report)
    assert drawn.digests(curves)
    assert list(accuracy.frame["accuracy"]) == ["top-1", "top-5"]
    assert accuracy.frame["share"][0].startswith("0.7500")
    assert list(probe.frame["features"]) == ["these weights", "random weights"]
    assert "No training below" not in accuracy.to_markdown()
    for digest, said in (("aa", False), ("bb" * 32, True)):
        report.facts["made_from"] = {"resnet50_mlp_seed0": {"weights": {"sha256": digest}}, "lenet": {"weights": None}}
        words = pretraining.shown(report)[1].to_markdown()
        assert ("No training below starts from these weights" in words) == said
        assert ("SHA-256 bbbbbbbbbbbb…" in words) == said
