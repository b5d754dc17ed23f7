"""Test the sentences that judge liu2023's claims about other networks: on equal terms, and their sizes."""

from __future__ import annotations

import pandas as pd

from fer_lib.experiments.comparison_scores import EQUAL_REFERENCE
from fer_lib.report import liu2023_claims
from fer_lib.tables import liu2023 as liu2023_tables

NAMES = ("resnet50_svm", "vgg16", "inception_v4", "cnn_ad", "pixels_svm")
SPEEDS = dict.fromkeys(NAMES, 250.0)
SYSTEMS = {name: {"title": name.upper()} for name in NAMES}
SYSTEMS |= {f"{name}-fer2013": {"title": f"{name.upper()}, FER-2013 first"} for name in NAMES}


def equal_terms(reference: str = EQUAL_REFERENCE) -> pd.DataFrame:
    rows = []
    for separation, accuracy in (("frames", 0.9), ("subjects", 0.7)):
        for name, gap in ((EQUAL_REFERENCE, float("nan")), ("vgg16-fer2013", 0.05), ("cnn_ad-fer2013", -0.1)):
            row = {"classifier": name, "protocol": "folds", "separation": separation, "reference": reference}
            row |= {"accuracy": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1, "holm": 0.04}
            rows.append(row | {"difference": gap, "difference_low": gap - 0.1, "difference_high": gap + 0.1})
    return pd.DataFrame(rows)


def test_the_networks_of_section_31_are_told_with_the_strictest_separation():
    said = liu2023_claims.outperforms_claim(equal_terms(), SYSTEMS)
    assert said == (
        "after FER-2013, subjects apart, folds: 70.00 [60.00, 80.00] %; "
        "against it: VGG16 +5.00 [-5.00, +15.00] points (Holm's p 0.04)"
    )
    assert liu2023_claims.outperforms_claim(pd.DataFrame(), SYSTEMS) == ""
    assert liu2023_claims.outperforms_claim(equal_terms(reference="cnn_ad-fer2013"), SYSTEMS) == ""
    alone = equal_terms()
    assert liu2023_claims.outperforms_claim(alone[alone["classifier"] != "vgg16-fer2013"], SYSTEMS) == ""


def test_the_svms_gain_on_fer2013_is_told_the_papers_way_round():
    row = {"difference": -0.013, "difference_low": -0.023, "difference_high": -0.004, "p_value": 0.0104}
    own = {"difference": None, "difference_low": None, "difference_high": None, "p_value": None}
    whole = pd.DataFrame([{"system": "resnet50_svm", **own}, {"system": "resnet50_softmax", **row}])
    said = liu2023_claims.fer2013_gain(whole, "resnet50_svm")
    assert said == "+1.30 [+0.40, +2.30] points on FER-2013, on the same features (McNemar's p 0.01)"
    assert liu2023_claims.fer2013_gain(whole, "pixels_svm") == ""
    assert liu2023_claims.fer2013_gain(whole.head(1), "resnet50_svm") == ""


def sizes() -> pd.DataFrame:
    counts = {"resnet50_svm": (51, 24e6, 300e6), "vgg16": (16, 34e6, 700e6), "cnn_ad": (8, 1e6, 100e6)}
    rows = [
        {"corpus": "CK+", "system": name, "depth": depth, "parameters": parameters, "multiply_adds": adds}
        for name, (depth, parameters, adds) in counts.items()
    ]
    return pd.DataFrame(rows)


def test_depth_and_parameters_are_judged_against_every_network():
    said = liu2023_claims.efficiency_claim(sizes(), SYSTEMS, SPEEDS)
    own = "RESNET50_SVM: depth 51, 24.00 million parameters, 300.0 million multiply-adds, 250 faces a second"
    assert said.startswith(own)
    assert said.endswith("shallower with more parameters than it: VGG16; no fewer multiply-adds than it: VGG16")
    small = sizes().query("system != 'vgg16'")
    assert liu2023_claims.efficiency_claim(small, SYSTEMS, SPEEDS).endswith(
        "shallower with more parameters than it: none of them; no fewer multiply-adds than it: none of them"
    )
    assert liu2023_claims.efficiency_claim(sizes().query("system == 'resnet50_svm'"), SYSTEMS, SPEEDS) == ""
    assert liu2023_claims.efficiency_claim(sizes().assign(corpus="FER-2013"), SYSTEMS, SPEEDS) == ""


def test_both_sentences_are_about_claims_of_the_table():
    assert {"outperforms", "efficiency"} <= set(liu2023_tables.CLAIMS)
