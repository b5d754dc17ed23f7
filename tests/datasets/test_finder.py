"""Test that `fer-lib data check` and a run find the same corpora in what people have, and name every candidate."""

from __future__ import annotations

import gzip
import shutil
import zipfile

import numpy as np
import pytest

from fer_lib import cli
from fer_lib.datasets import ckplus, corpus, fer2013, finder
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.settings import CkPlusSettings, DataSettings

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("releases")
    writers.write_fer2013_csv(root / "csv", n=70, seed=1)
    writers.write_fer2013_csv(root / "icml", n=70, seed=1, icml=True)
    writers.write_fer2013_folders(root / "folders", n=70, seed=1)
    writers.write_ckplus48(root / "ckplus", seed=1)
    return root


def pack(path, folder, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{prefix}{file.relative_to(folder)}")
    return path


def run(folder):
    return corpus.load_fer2013(DataSettings(source="folder"), str(folder))


def checked(folder, capsys):
    status = cli.main(["data", "check", str(folder)])
    out, err = capsys.readouterr()
    assert bool(err) == bool(status)
    return out or err


def kaggle_download(data, releases):
    pack(data / "archive.zip", releases / "folders")


def kaggle_csv(data, releases):
    shutil.copytree(releases / "icml", data, dirs_exist_ok=True)


def bare_folders(data, releases):
    shutil.copytree(releases / "folders", data, dirs_exist_ok=True)


def compressed(data, releases):
    (data / "fer2013.csv.gz").write_bytes(gzip.compress((releases / "csv" / "fer2013.csv").read_bytes(), 1))
    (data / "SYNTHETIC.txt").touch()


@pytest.mark.parametrize("put", [kaggle_download, kaggle_csv, bare_folders, compressed])
@pytest.mark.parametrize("litter", [False, True])
def test_check_and_run_find_fer2013_by_its_content(tmp_path, releases, capsys, put, litter):
    data = tmp_path / "data"
    data.mkdir()
    put(data, releases)
    if litter:
        (data / "README.md").write_text("hello")
        (data / "broken.zip").write_bytes(b"PK\x03\x04")
        shutil.copytree(releases / "ckplus", data / "ckplus" / "train")
    faces = run(data)
    assert len(faces) == 70
    assert "remarks" not in faces.notes
    said = checked(data, capsys)
    assert "corpus       fer2013 (FER-2013)" in said
    assert faces.fingerprint in said
    assert ("corpus       ckplus (CK+)" in said) == litter


def test_the_data_may_be_the_file_itself(tmp_path, releases, monkeypatch):
    file = releases / "csv" / "fer2013.csv"
    monkeypatch.setenv("FER_DATA", str(file))
    assert len(corpus.load_fer2013(DataSettings(source="folder"))) == 70
    assert finder.find(file, "ckplus", missing_ok=True) is None
    with pytest.raises(FerError, match=r"fer2013\.csv is a file and no release of CK\+; give the folder"):
        corpus.load_ckplus(CkPlusSettings(), DataSettings(source="folder"))
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FerError, match="is no release of FER-2013: it begins with b'hello'"):
        run(tmp_path / "notes.txt")


def remark_of(folder, capsys):
    (remark,) = run(folder).notes["remarks"]
    assert f"note             {remark}" in checked(folder, capsys)
    return remark


def test_every_candidate_is_named(tmp_path, releases, capsys):
    (tmp_path / "SYNTHETIC.txt").touch()
    pack(tmp_path / "archive.zip", releases / "folders")
    pack(tmp_path / "archive (1).zip", releases / "icml")
    assert "archive (1).zip was read; FER-2013 is also in archive.zip:" in remark_of(tmp_path, capsys)
    shutil.copy(releases / "csv" / "fer2013.csv", tmp_path)
    assert "fer2013.csv was read; FER-2013 is also in archive (1).zip, archive.zip:" in remark_of(tmp_path, capsys)
    (tmp_path / "fer2013.csv").rename(tmp_path / "faces.csv")
    assert "faces.csv was read; FER-2013 is also in archive (1).zip, archive.zip:" in remark_of(tmp_path, capsys)
    (tmp_path / "faces.csv").unlink()
    shutil.copytree(releases / "folders", tmp_path / "mine")
    assert f"{tmp_path.name}/mine was read; FER-2013 is also in" not in str(run(tmp_path / "mine").notes)
    assert "mine was read; FER-2013 is also in archive (1).zip, archive.zip:" in remark_of(tmp_path, capsys)


def test_two_candidates_of_one_kind_stop_and_are_named(tmp_path, releases, capsys):
    pack(tmp_path / "archive.zip", releases / "folders")
    pack(tmp_path / "archive (1).zip", releases / "folders")
    with pytest.raises(FerError, match=r"FER-2013 more than once \(archive \(1\)\.zip, archive\.zip\)"):
        run(tmp_path)
    assert "more than once (archive (1).zip, archive.zip)" in checked(tmp_path, capsys)


def test_a_name_that_only_begins_like_the_corpus_counts_if_the_corpus_is_in_it(tmp_path, releases):
    (tmp_path / "fer2013new.csv").write_text("Usage,Image name,neutral\nTraining,fer0000000.png,4\n")
    with pytest.raises(FerError):
        run(tmp_path)
    shutil.copytree(releases / "icml", tmp_path, dirs_exist_ok=True)
    assert run(tmp_path).notes["layout"] == "icml csv"
    pack(tmp_path / "fer2013 (1).zip", releases / "folders")
    assert run(tmp_path).notes["container"] == "zip"


def test_several_corpora_are_found_by_content(tmp_path, releases, capsys):
    pack(tmp_path / "archive.zip", releases / "folders")
    pack(tmp_path / "CK48.zip", releases / "ckplus")
    (tmp_path / "README.md").write_text("hello")
    said = checked(tmp_path, capsys)
    assert "corpus       fer2013" in said
    assert "corpus       ckplus" in said
    assert "passed over  README.md: " in said
    assert len(run(tmp_path)) == 70
    assert len(corpus.load_ckplus(CkPlusSettings(contempt=True), DataSettings(source="folder"), str(tmp_path)))


def test_an_archive_in_an_archive_is_one_true_sentence(tmp_path, releases, capsys):
    (tmp_path / "x").mkdir()
    pack(tmp_path / "x" / "fer2013.zip", releases / "folders")
    data = tmp_path / "data"
    data.mkdir()
    outer = pack(data / "archive.zip", tmp_path / "x", "deep/")
    words = (
        "contains the archive deep/fer2013.zip, and an archive in an archive is not read; unpack archive.zip and give"
    )
    for path in (data, outer):
        assert words in checked(path, capsys)
        with pytest.raises(FerError) as caught:
            run(path)
        assert words in str(caught.value)


def test_an_absent_corpus_or_folder_is_named_with_what_is_there(tmp_path):
    (tmp_path / "ckplus48.zip").touch()
    with pytest.raises(FerError, match=r"'fer2013' is not in .*ckplus48\.zip.*fer2013\.zip"):
        finder.find(tmp_path, "fer2013")
    with pytest.raises(FerError, match="No such data folder"):
        finder.find(tmp_path / "no", "fer2013")


@pytest.mark.parametrize("name", ["faces.npy", "faces.npz", "fer2013.npz", "faces.7z", "faces.rar"])
def test_arrays_and_unread_archives_are_one_true_sentence(tmp_path, capsys, name):
    path = tmp_path / name
    if name.endswith(("7z", "rar")):
        path.write_bytes(b"7z\xbc\xaf")
    elif name.endswith("npz"):
        np.savez(path, x=np.zeros((7, 48, 48)), y=np.arange(7))
    else:
        np.save(path, np.zeros((7, len(CLASS_NAMES))))
    with pytest.raises(FerError, match="'ckplus' is not in"):
        corpus.load_ckplus(CkPlusSettings(), DataSettings(source="folder"), str(tmp_path))
    words = (
        "which is not read; unpack it" if name.endswith(("7z", "rar")) else "give the CSV or the folders of pictures"
    )
    for place in (path, tmp_path):
        said = checked(place, capsys)
        assert words in said
        assert said.count("\n") == 1
        with pytest.raises(FerError, match=words):
            run(place)


def test_the_other_corpora_are_found_in_the_forms_that_people_have(tmp_path, releases, capsys):
    data = tmp_path / "data"
    pixels = " ".join(["7", *["90"] * 2303])
    shutil.copytree(releases / "csv", data / "fer2013")
    (data / "ckextended.csv").write_text(f"emotion,pixels,Usage\n7,{pixels},Training\n0,{pixels},PublicTest\n")
    subset = data / "GENKI-R2009a" / "Subsets" / "GENKI-4K"
    writers.write_genki4k(subset, n=10, seed=1)
    (subset / "labels.txt").rename(subset / "GENKI-4K_Labels.txt")
    names = sorted(file.name for file in (subset / "files").iterdir())
    (subset / "GENKI-4K_Images.txt").write_text("\n".join(names))
    levels = np.arange(20 * 64 * 64, dtype=np.float32).reshape(20, 64, 64) / (20 * 64 * 64)
    np.save(data / "olivetti_faces.npy", levels)
    np.save(data / "olivetti_faces_target.npy", np.repeat(np.arange(2), 10))
    (data / "SYNTHETIC.txt").write_text("generated by a test\n")
    said = checked(data, capsys)
    for words in ("fer2013 (FER-2013)", "ckplus (CK+)", "genki4k (GENKI-4K)", "olivetti (Olivetti faces)"):
        assert f"corpus       {words}" in said
    assert "layout       csv without subjects" in said
    assert "absent       nothing" in said
    assert "FAULTY" not in said
    settings, source = CkPlusSettings(contempt=True), DataSettings(source="folder")
    assert len(run(data)) == 70
    assert corpus.load_ckplus(settings, source, str(data)).class_names == ("angry", "contempt")
    assert len(corpus.load_genki4k(settings, source, str(data))) == 10
    assert len(corpus.load_olivetti(source, str(data))) == 20


def test_ckplus_in_train_and_test_is_not_fer2013(tmp_path, releases):
    source = releases / "ckplus"
    folders = {folder.relative_to(source) for folder in source.rglob("*") if any(folder.glob("*.png"))}
    for at, folder in enumerate(sorted(folders)):
        shutil.copytree(source / folder, tmp_path / "both" / ("train", "test")[at % 2] / folder.name)
    data = tmp_path / "data"
    data.mkdir()
    pack(data / "faces.zip", tmp_path / "both")
    assert finder.find(data, "fer2013", missing_ok=True) is None
    for path in (data / "faces.zip", tmp_path / "both"):
        with pytest.raises(FerError, match=r"is no release of FER-2013"):
            fer2013.load(path, skip_bad=True)
    shutil.copy(releases / "csv" / "fer2013.csv", data)
    assert finder.find(data, "fer2013").others == ()
    assert finder.find(data, "ckplus").entries == ("faces.zip",)


def test_a_file_that_cannot_be_opened_is_no_other_copy(tmp_path, releases, monkeypatch):
    shutil.copy(releases / "csv" / "fer2013.csv", tmp_path)
    (tmp_path / "private.bin").write_bytes(b"secret")
    kind = finder.archive_kind

    def refused(path):
        if path.name == "private.bin":
            raise FerError("private.bin cannot be read (Permission denied).")
        return kind(path)

    monkeypatch.setattr(finder, "archive_kind", refused)
    assert finder.find(tmp_path, "fer2013").others == ()


def test_a_broken_archive_next_to_a_corpus_does_not_hide_it(tmp_path, releases, capsys):
    writers.write_genki4k(tmp_path / "g", n=8, seed=1)
    pack(tmp_path / "data.zip", tmp_path / "g")
    shutil.rmtree(tmp_path / "g")
    shutil.copytree(releases / "ckplus", tmp_path / "faces")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    out = checked(tmp_path, capsys)
    assert "FAULTY" not in out
    assert "corpus       ckplus (CK+)" in out
    assert "corpus       genki4k (GENKI-4K)" in out
    assert "passed over  broken.zip" in out
    shutil.rmtree(tmp_path / "faces")
    with pytest.raises(FerError, match=r"broken\.zip cannot be read"):
        ckplus.load(tmp_path)
