"""Test the sentences of the results page that follow which variants of chen2023 have been trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from fer_lib.report import results_chen2023
from fer_lib.report.results_cells import Tables
from fer_lib.settings import PROJECT, load_profile

REFERENCE = PROJECT / "results" / "reference" / "paper"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of what the sentences are made of, with the variants that are as printed or at the trunk's own scaling."""
    for kind, names in {
        "tables": ("chen2023_variants.csv", "chen2023_glance.csv"),
        "metrics": ("resnet50_mlp_seed0.json",),
        "provenance": ("03_resnet50_mlp_seed0.json",),
    }.items():
        (tmp_path / kind).mkdir()
        for name in names:
            shutil.copyfile(REFERENCE / kind / name, tmp_path / kind / name)
    write(tmp_path, {"seed0": "0.2449 [0.2311, 0.2593]", "trunk_scaling_seed1": "0.4124 [0.3964, 0.4286]"})
    return tmp_path


def write(folder: Path, accuracies: dict[str, str]) -> None:
    found = pd.DataFrame({"training": list(accuracies), "categorical accuracy": list(accuracies.values())})
    found["loss (nats)"] = "1.7000 [1.6900, 1.7100]"
    found.to_csv(folder / "tables" / "chen2023_variants.csv", index=False)


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [("0.3000 [0.2900, 0.3100]", "30.00 % of the test faces correctly, so it learns; its loss is 1.7000"),
     ("0.2500 [0.2400, 0.2600]", "25.00 % of the test faces correctly, no more than the class priors; its loss")],
)  # fmt: skip
def test_whether_the_model_without_dropout_learns_is_read_off_its_interval(folder, accuracy, said):
    assert "has not been trained without that dropout yet" in results_chen2023._without_dropout(Tables(folder))
    write(folder, {"no_dropout_seed0": accuracy})
    assert said in results_chen2023._without_dropout(Tables(folder))


def test_variants_without_a_row_are_named_until_there_is_none(folder):
    row = results_chen2023._missing(Tables(folder))
    assert row.startswith("| of chen2023: ")
    assert row.endswith(" |\n")
    assert "random trunk, frozen; " in row
    own = Tables(folder).settings("resnet50_mlp_seed0")["trunk_precision"]
    assert results_chen2023.READINGS[f"{own}_trunk"] not in row  # the runs have that precision anyway
    assert results_chen2023.READINGS["trunk_scaling"] not in row.split("; ")
    every = {f"{name}_seed0": "0.3 [0.2, 0.4]" for name in load_profile("paper").variants}
    write(folder, every)
    assert results_chen2023._missing(Tables(folder)) == ""


def test_every_variant_of_the_paper_profile_has_words_of_its_own():
    words = [results_chen2023.READINGS[name] for name in load_profile("paper").variants]
    assert len(set(words)) == len(words)


def test_earlier_rows_are_named_until_they_are_run_anew(folder):
    both = results_chen2023._earlier(Tables(folder))
    assert both.startswith(' "random trunk, frozen" and "all layers, from nothing" are of earlier runs')
    assert both.endswith("computed in bfloat16.")
    (folder / "tables" / "resnet50_mlp-random_frozen_seed0_readings.csv").touch()
    one = results_chen2023._earlier(Tables(folder))
    assert one == ' "all layers, from nothing" is of an earlier run, without pre-trained weights.'
    (folder / "tables" / "resnet50_mlp-from_scratch_seed0_readings.csv").touch()
    assert results_chen2023._earlier(Tables(folder)) == ""


def test_a_further_seed_of_a_variant_is_told_from_the_first():
    assert results_chen2023._reading("trunk_scaling_seed0") == "trunk's own scaling"
    assert results_chen2023._reading("trunk_scaling_seed1") == "trunk's own scaling, seed 1"
    assert results_chen2023._reading("seed2") == "as printed, seed 2"
