"""Test FER+: the votes that replace FER-2013's labels, where they are found, and every way in which they do not fit."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from fer_lib import cli, comparators
from fer_lib.comparators import recipe
from fer_lib.datasets import corpus
from fer_lib.datasets.face_dataset import FaceDataset
from fer_lib.datasets.fer2013 import CLASS_NAMES, ferplus
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.experiments import comparison, fine_tuning
from fer_lib.settings import BaselineCnnSettings, DataSettings, ResNet50SvmSettings
from fer_lib.training import FaceBatches

COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
OWN = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]  # in the order of CLASS_NAMES

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    writers.write_fer2013_csv(folder / "csv", n=140, seed=1)
    writers.write_fer2013_csv(folder / "icml", n=140, seed=1, icml=True)
    writers.write_fer2013_folders(folder / "folders", n=70, seed=1)
    return folder


def rows_of(release):
    with open(release / "csv" / "fer2013.csv", newline="") as file:
        return [(int(row["emotion"]), row["Usage"]) for row in csv.DictReader(file)]


def votes_for(release, **changes):
    """Give the lines of FER+: nine votes for the face's own label and a stray one, but for the rows of ``changes``."""
    lines = [["Usage", "Image name", *COLUMNS]]
    for number, (label, usage) in enumerate(rows_of(release), 1):
        votes = {OWN[label]: 9, "unknown": 1}
        votes = changes.get(f"row{number}", votes)
        name = "" if votes == {"NF": 10} else f"fer{number:07}.png"
        lines.append([usage, name, *(votes.get(column, 0) for column in COLUMNS)])
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def put(folder, release, text, *, faces="csv"):
    folder.mkdir(exist_ok=True, parents=True)
    shutil.copytree(release / faces, folder, dirs_exist_ok=True)
    (folder / "fer2013new.csv").write_text(text)
    return folder


def load(folder, labels="ferplus", **settings):
    return corpus.load_fer2013(DataSettings(labels=labels, **settings), str(folder))


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ({"anger": 10}, "anger"),
        ({"anger": 3, "fear": 2, "sadness": 1, "happiness": 1, "disgust": 1, "neutral": 1, "NF": 1}, "anger"),
        ({"anger": 5, "fear": 5}, None),  # a tie has no majority
        ({"anger": 4, "fear": 4, "sadness": 2}, None),
        ({"anger": 5, "fear": 3, "sadness": 2}, None),  # exactly half
        ({"anger": 6, "fear": 2, "sadness": 2}, "anger"),
        ({"neutral": 5, "sadness": 4, "fear": 1}, "neutral"),  # the single vote is removed first
        (dict.fromkeys(COLUMNS, 1), None),
        ({"NF": 9, "anger": 1}, "nf"),
        ({"contempt": 7, "disgust": 3}, "contempt"),
        ({"unknown": 6, "disgust": 4}, "unknown"),
    ],
)
def test_the_majority_is_that_of_the_authors_code(votes, expected):
    counts = np.array([[{k.lower(): v for k, v in votes.items()}.get(name, 0) for name in ferplus.VOTES]])
    found = ferplus.Votes("fer2013new.csv", ["Training"], np.array([True]), counts, "").majorities()
    assert found.tolist() == [ferplus.VOTES.index(expected) if expected else len(ferplus.VOTES)]


@pytest.mark.parametrize(
    ("votes", "seven", "eight"),
    [
        ({"anger": 10}, {"anger": 1}, {"anger": 1}),
        ({"anger": 5, "fear": 5}, {"anger": 1 / 2, "fear": 1 / 2}, {"anger": 1 / 2, "fear": 1 / 2}),
        # nine tenths of what is left are enough, so that the single vote is not taken and the three votes are
        ({"anger": 6, "fear": 3, "sadness": 1}, {"anger": 2 / 3, "fear": 1 / 3}, {"anger": 2 / 3, "fear": 1 / 3}),
        # eight of ten are three quarters: the last two are not taken
        ({"anger": 5, "fear": 3, "sadness": 2}, {"anger": 5 / 8, "fear": 3 / 8}, {"anger": 5 / 8, "fear": 3 / 8}),
        ({"anger": 4, "fear": 2, "sadness": 2, "neutral": 2}, {}, {}),  # four emotions
        ({"anger": 5, "contempt": 4, "NF": 1}, {"anger": 1}, {"anger": 5 / 9, "contempt": 4 / 9}),
        ({"contempt": 6, "anger": 4}, {}, {"contempt": 3 / 5, "anger": 2 / 5}),
        ({"anger": 6, "unknown": 4}, {"anger": 1}, {"anger": 1}),
        ({"anger": 5, "unknown": 5}, {}, {}),  # half of the votes are not enough
        ({"unknown": 6, "anger": 4}, {}, {}),
        ({"NF": 10}, {}, {}),
        (dict.fromkeys(COLUMNS, 1), {}, {}),
    ],
)
def test_the_shares_are_those_of_the_authors_code(votes, seven, eight):
    counts = np.array([[{k.lower(): v for k, v in votes.items()}.get(name, 0) for name in ferplus.VOTES]])
    row = ferplus.Votes("fer2013new.csv", ["Training"], np.array([True]), counts, "")
    for classes, expected in ((7, seven), (8, eight)):
        wanted = [expected.get(name, 0) for name in ferplus.VOTES[:classes]]
        assert row.shares(classes)[0].tolist() == pytest.approx(wanted)
    unnamed = ferplus.Votes("fer2013new.csv", ["Training"], np.array([False]), counts, "")
    assert not unnamed.shares(8).any()


def test_votes_stay_with_their_face_and_only_training_draws_labels(tmp_path, release):
    rows = rows_of(release)
    training, tested = (
        [number for number, (_, usage) in enumerate(rows, 1) if (usage == "Training") == part] for part in (True, False)
    )
    text = votes_for(
        release,
        **{f"row{training[0]}": {"sadness": 6, "neutral": 3}, f"row{training[1]}": {"anger": 5, "fear": 5}},
        **{f"row{tested[0]}": {"sadness": 6, "neutral": 3}, f"row{tested[1]}": {"anger": 5, "fear": 5}},
    )
    folder = put(tmp_path / "data", release, text)
    faces = load(folder, "ferplus_votes")
    assert len(faces) == 139  # the tested face without a majority is left out, the training face is not
    assert load(folder).shares is None
    given = dict(zip(faces.meta["source"], faces.shares, strict=True))
    sad, neutral, angry, fear = (CLASS_NAMES.index(name) for name in ("sad", "neutral", "angry", "fear"))
    assert given[f"row {training[0]}"][[sad, neutral]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert given[f"row {training[1]}"][[angry, fear]].tolist() == [0.5, 0.5]
    assert given[f"row {tested[0]}"][sad] == 1
    assert faces.shares.sum(axis=1) == pytest.approx(1)
    assert faces.notes["ferplus"]["drawn_labels"] == 2
    (remark,) = faces.notes["remarks"]
    assert remark.endswith(f" Training faces with votes for several classes: 2. {ferplus.DRAWING}")
    assert faces.fingerprint != dataclasses.replace(faces, shares=None).fingerprint
    half = faces.part("Training").take([3, 1])
    assert (half.shares == faces.part("Training").shares[[3, 1]]).all()


@pytest.fixture
def voted():
    """Ten faces of two classes, seven of ten votes for a face's label."""
    meta = pd.DataFrame({"label": [0] * 5 + [1] * 5, "split": "Training"})
    shares = np.repeat(np.array([[0.7, 0.3], [0.3, 0.7]], np.float32), 5, axis=0)
    images = np.random.default_rng(0).integers(0, 256, (10, 48, 48), dtype=np.uint8)
    return FaceDataset(images, meta, ("a", "b"), "fer2013", shares=shares)


def test_fine_tuning_is_given_the_shares(voted, monkeypatch):
    given = {}
    monkeypatch.setattr(fine_tuning.training, "train", lambda build, settings, **named: given.update(named))
    settings = ResNet50SvmSettings(epochs=1)
    fine_tuning.fine_tune(settings, learn=voted, validate=voted, seed=0, checkpoints=None)
    assert (given["training"].shares == voted.shares).all()


def test_comparators_learn_the_class_of_most_votes(voted, monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(
        recipe.training, "train", lambda build, settings, **named: given.update(named) or (None, pd.DataFrame())
    )
    comparison._train(comparators.create("cnn_ad", epochs=1), voted, None, tmp_path / "cnn_ad.npz")
    assert given["training"].shares is None
    assert given["training"].labels.tolist() == voted.labels.tolist()
    priors = comparators.create("class_priors")
    comparison._train(priors, voted.take([0, 1, 2, 5]), None, tmp_path / "class_priors.npz")
    assert priors.shares_.tolist() == [0.75, 0.25]  # the mean of the votes would be 0.6 and 0.4


@pytest.mark.parametrize("votes", [(7, 3), (6, 4), (6, 3)])  # float32 shares of the last two add up to more than 1
def test_a_face_draws_its_label_in_proportion_to_its_votes(votes):
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"label": [0] * 4000, "split": "Training"})
    shares = np.tile((np.array([*votes, 0]) / sum(votes)).astype(np.float32), (4000, 1))
    images = rng.integers(0, 256, (4000, 8, 8), dtype=np.uint8)
    faces = FaceDataset(images, meta, ("a", "b", "c"), "fer2013", shares=shares)
    settings = BaselineCnnSettings(batch_size=1000)
    epochs = [[FaceBatches(faces, settings, augment_with=(0, epoch))[k][1] for k in range(4)] for epoch in (0, 0, 1)]
    first, again, other = (np.concatenate(epoch) for epoch in epochs)
    assert (first.sum(axis=1) == 1).all()
    assert first.mean(axis=0) == pytest.approx(shares[0], abs=0.03)
    assert (first == again).all()
    assert (first != other).any()
    assert (FaceBatches(faces, settings)[0][1][:, 0] == 1).all()  # validation has fixed labels


def test_contempt_is_an_eighth_class_where_asked(tmp_path, release):
    training = [number for number, (_, usage) in enumerate(rows_of(release), 1) if usage == "Training"]
    folder = put(tmp_path / "data", release, votes_for(release, **{f"row{training[0]}": {"contempt": 6, "fear": 4}}))
    faces = load(folder, "ferplus8")
    assert faces.class_names == (*CLASS_NAMES, "contempt")
    assert len(faces) == 140
    assert faces.meta["source"][faces.labels == 7].tolist() == [f"row {training[0]}"]
    (votes,) = load(folder, "ferplus8_votes").shares[faces.labels == 7].tolist()
    assert (votes[7], votes[2]) == pytest.approx((0.6, 0.4))
    with pytest.raises(FerError, match="leaves no training face of contempt"):
        load(put(tmp_path / "none", release, votes_for(release)), "ferplus8")


def test_the_votes_are_the_labels_and_what_has_no_class_is_left_out_and_counted(tmp_path, release, capsys):
    rows = rows_of(release)
    training = [number for number, (_, usage) in enumerate(rows, 1) if usage == "Training"]
    changed = next(number for number in training if rows[number - 1][0] == 6)
    contempt, unknown, tie, no_face = [number for number in training if number != changed][:4]
    text = votes_for(
        release,
        **{
            f"row{changed}": {"sadness": 6, "neutral": 4},
            f"row{contempt}": {"contempt": 8, "disgust": 2},
            f"row{unknown}": {"unknown": 9},
            f"row{tie}": {"anger": 5, "fear": 5},
            f"row{no_face}": {"NF": 10},
        },
    )
    folder = put(tmp_path / "data", release, text)
    plain = corpus.load_fer2013(DataSettings(), str(folder))
    faces = load(folder)
    assert len(plain) == 140
    assert len(faces) == 136
    before = dict(zip(plain.meta["source"], plain.labels.tolist(), strict=True))
    after = dict(zip(faces.meta["source"], faces.labels.tolist(), strict=True))
    assert after.pop(f"row {changed}") == CLASS_NAMES.index("sad")
    assert after == {source: before[source] for source in after}
    assert set(before) - set(after) == {f"row {row}" for row in (changed, contempt, unknown, tie, no_face)}
    assert faces.class_names == CLASS_NAMES
    left_out = {
        "of contempt": 1,
        "of an unknown emotion": 1,
        "without a majority": 1,
        "without an image name": 1,
    }
    facts = faces.notes["ferplus"]
    assert (facts["left_out"], facts["changed"], facts["rows_without_ten_votes"]) == (left_out, 1, 1)
    pixels = {source: image.tobytes() for source, image in zip(plain.meta["source"], plain.images, strict=True)}
    assert all(pixels[s] == i.tobytes() for s, i in zip(faces.meta["source"], faces.images, strict=True))
    assert cli.main(["data", "check", str(folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FER+ ")]
    assert "136 faces, of which 1 have another label than in FER-2013" in line
    assert "1 row has more or fewer than ten votes" in line


def counted(release, *, angry=0):
    """Count the majorities that ``votes_for`` writes for each split and class, with so many more angry ones."""
    rows = rows_of(release)
    counts = {part: [rows.count((label, part)) for label in range(7)] + [0] for part in ferplus.MAJORITY_COUNTS}
    counts["PublicTest"][0] += angry
    return {part: tuple(row) for part, row in counts.items()}


@pytest.mark.parametrize("labels", ["ferplus", "ferplus_votes"])
@pytest.mark.parametrize("angry", [0, 1])
def test_a_complete_file_with_other_majorities_than_the_authors_is_remarked_on(
    tmp_path, release, monkeypatch, capsys, labels, angry
):
    monkeypatch.setattr(ferplus, "_ROWS", 140)
    monkeypatch.setattr(ferplus, "MAJORITY_COUNTS", counted(release, angry=angry))
    folder = put(tmp_path / "data", release, votes_for(release))
    said = "fer2013new.csv has other majorities than the authors' file in PublicTest."
    remarks = load(folder, labels).notes["remarks"]
    assert [remark for remark in remarks if "other majorities" in remark] == [said] * angry
    assert cli.main(["data", "check", str(folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FER+ ")]
    assert "140 faces, of which 0 have another label than in FER-2013" in line
    assert line.endswith(said) == bool(angry)


def test_the_published_counts_add_up_to_the_faces_that_the_documents_name():
    seven = [sum(counts[:7]) for counts in ferplus.MAJORITY_COUNTS.values()]
    assert seven == [24_941, 3_186, 3_137]
    assert sum(ferplus.MAJORITY_COUNTS["Training"]) == 25_060


def test_a_file_that_is_not_complete_is_not_compared_with_the_authors(tmp_path, release):
    folder = put(tmp_path / "data", release, votes_for(release))
    assert not [remark for remark in load(folder).notes["remarks"] if "other majorities" in remark]


def test_the_default_is_fer2013s_own_labels(tmp_path, release):
    folder = put(tmp_path / "data", release, votes_for(release))
    alone = tmp_path / "alone"
    shutil.copytree(release / "csv", alone)
    with_votes, without = (corpus.load_fer2013(DataSettings(), str(place)) for place in (folder, alone))
    assert with_votes.fingerprint == without.fingerprint
    assert with_votes.notes == without.notes


def beside_a_zip(data, release):
    with zipfile.ZipFile(data / "fer2013 (1).zip", "w") as archive:
        for file in (release / "csv").iterdir():
            archive.write(file, file.name)
    (data / "fer2013new.csv").write_text(votes_for(release))


def beside_icml(data, release):
    put(data, release, votes_for(release), faces="icml")


def in_the_authors_repository(data, release):
    shutil.copytree(release / "csv", data / "fer2013")
    (data / "FERPlus-master" / "data" / "FER2013Train").mkdir(parents=True)
    (data / "FERPlus-master" / "data" / "FER2013Train" / "label.csv").write_text('fer0.png,"(0, 0, 48, 48)",9\n')
    (data / "FERPlus-master" / "fer2013new.csv").write_text("\ufeff" + votes_for(release).replace("\n", "\r\n"))


def compressed(data, release):
    shutil.copytree(release / "csv", data / "fer2013")
    (data / "fer2013new.csv.gz").write_bytes(gzip.compress(votes_for(release).encode()))


def in_the_same_archive(data, release):
    with zipfile.ZipFile(data / "archive.zip", "w") as archive:
        for file in (release / "csv").iterdir():
            archive.write(file, file.name)
        archive.writestr("fer2013new.csv", votes_for(release))


@pytest.mark.parametrize(
    "place", [beside_a_zip, beside_icml, in_the_authors_repository, compressed, in_the_same_archive]
)
def test_the_votes_are_found_wherever_they_are_put(tmp_path, release, capsys, place):
    data = tmp_path / "data"
    data.mkdir()
    place(data, release)
    assert len(load(data)) == 140
    assert cli.main(["data", "check", str(data)]) == 0
    assert "FER+             for labels: ferplus" in capsys.readouterr().out


def test_the_data_may_be_the_csv_itself_with_the_votes_next_to_it(tmp_path, release):
    assert len(load(put(tmp_path / "data", release, votes_for(release)) / "fer2013.csv")) == 140


def test_votes_that_do_not_fit_are_refused_in_one_sentence(tmp_path, release):
    text = votes_for(release)
    lines = text.splitlines(keepends=True)
    swapped = next(n for n, line in enumerate(lines) if n and line.split(",")[0] != lines[1].split(",")[0])
    lines[1], lines[swapped] = lines[swapped], lines[1]
    cases = {
        "short": ("".join(text.splitlines(keepends=True)[:-1]), "has 139 rows and FER-2013's CSV 140"),
        "order": ("".join(lines), "row 1: its Usage is '.*', but that of FER-2013's row is 'Training'"),
        "word": (text.replace(",9,", ",nine,", 1), "row 1: it has no ten votes"),
        "minus": (text.replace(",9,", ",-9,", 1), "row 1: it has no ten votes"),
    }
    for name, (content, words) in cases.items():
        with pytest.raises(FerError, match=words):
            load(put(tmp_path / name, release, content))
    contradicting = put(tmp_path / "two", release, text)
    (contradicting / "second.csv").write_text(text.replace(",9,", ",8,", 1))
    with pytest.raises(FerError, match="different files with the votes"):
        load(contradicting)
    (contradicting / "second.csv").write_text(text)  # a copy is no contradiction
    assert len(load(contradicting)) == 140
    with pytest.raises(FerError, match="does not keep the order"):
        load(put(tmp_path / "folders", release, text, faces="folders"))
    with pytest.raises(FerError, match="there is no fer2013new"):
        load(release / "csv")
    with pytest.raises(FerError, match="there is no fer2013new"):
        corpus.load_fer2013(DataSettings(source="generated", generated_faces=70, labels="ferplus"))


def test_a_class_without_training_faces_stops(tmp_path, release):
    disgusted = [number for number, (label, usage) in enumerate(rows_of(release), 1) if label == 1]
    text = votes_for(release, **{f"row{number}": {"contempt": 10} for number in disgusted})
    with pytest.raises(FerError, match="leaves no training face of disgust"):
        load(put(tmp_path / "data", release, text))


def test_a_damaged_row_that_is_left_out_keeps_the_others_in_their_place(tmp_path, release):
    folder = put(tmp_path / "data", release, votes_for(release))
    file = folder / "fer2013.csv"
    lines = file.read_text().splitlines(keepends=True)
    lines[20] = lines[20].replace(",", ",x", 1)
    file.write_text("".join(lines))
    faces = load(folder, skip_bad=True)
    labels = [label for label, _ in rows_of(release)]
    assert len(faces) == 139
    rows = [int(source.removeprefix("row ")) for source in faces.meta["source"]]
    assert [labels[row - 1] for row in rows] == faces.labels.tolist()


@pytest.mark.parametrize("folders", [("FER2013Train",), ("FER2013Train", "FER2013Valid", "FER2013Test")])
def test_the_authors_label_lists_without_faces_say_what_is_needed(tmp_path, capsys, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "label.csv").write_text('fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0\n')
    for attempt in (lambda: load(tmp_path), lambda: load(tmp_path / folders[0])):
        with pytest.raises(FerError, match=r"has votes of FER\+ .* and no faces; put fer2013new.csv and fer2013.csv"):
            attempt()
    assert cli.main(["data", "check", str(tmp_path)]) == 2
    assert "and no faces; put fer2013new.csv and fer2013.csv" in capsys.readouterr().err


def test_the_votes_alone_are_no_faces(tmp_path, release, capsys):
    (tmp_path / "fer2013new.csv").write_text(votes_for(release))
    for place in (tmp_path, tmp_path / "fer2013new.csv"):
        with pytest.raises(FerError, match=r"has votes of FER\+ \(.*\) and no faces; put fer2013.csv"):
            load(place)
        assert cli.main(["data", "check", str(place)]) == 2
        assert "and no faces; put fer2013.csv" in capsys.readouterr().err
