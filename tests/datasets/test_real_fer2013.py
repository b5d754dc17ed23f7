"""Test the counts of the real FER-2013 in ``FER_DATA``, if it is set; contains no images."""

import os

import pytest

from fer_lib.datasets import fer2013, quality

pytestmark = pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no data folder")


@pytest.fixture(scope="module")
def dataset():
    return fer2013.load(os.environ["FER_DATA"])


def test_counts_are_the_official_ones(dataset):
    table = dataset.counts()
    assert {split: tuple(table.loc[split].drop("total")) for split in table.index} == fer2013.OFFICIAL_CLASS_COUNTS
    assert dataset.notes["count_deviations"] == {}
    assert dataset.notes["skipped"] == {}
    assert not dataset.synthetic


def test_quality_facts(dataset):
    assert quality.headline(dataset) == {
        "faces": 35_887,
        "distinct pictures": 34_034,
        "pictures with conflicting labels": 57,
        "blank faces": 12,
        "PublicTest faces also in Training": 280,
        "PrivateTest faces also in Training": 288,
    }
    clean = quality.drop_leaks(dataset)
    assert clean.notes["leaks_dropped"] == 703
    assert quality.leaks(clean)["Training"].sum() == 0


def test_near_duplicates(dataset):
    counts = quality.near_duplicate_counts(dataset, quality.near_duplicates(dataset))["nearly the same"]
    assert counts.to_dict() == {"PublicTest": 709, "PrivateTest": 701}
    assert quality.drop_near_duplicates(dataset).notes["near_duplicates_dropped"] == 2124
