"""Test that a corpus is found by name in a data folder, and by content."""

from __future__ import annotations

import zipfile

import pytest

from fer_lib.datasets.readers.locate import Found, find, find_corpus
from fer_lib.errors import FerError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


@pytest.mark.parametrize(
    ("held", "name", "expected"),
    [
        (["fer2013/x", "fer2013.csv", "fer2013.zip"], "fer2013", "fer2013"),
        (["fer2013/.hidden", "fer2013.csv", "fer2013.zip"], "fer2013", "fer2013.csv"),
        (["FER2013.ZIP", "ckplus.zip", "fer2013.md"], "fer2013", "FER2013.ZIP"),
        (["fer2013.tar.gz", "fer2013plus.zip"], "fer2013", "fer2013.tar.gz"),
        (["ckplus48.zip", "ckplus.txt"], "ckplus", "ckplus48.zip"),
        (["olivettifaces.gif"], "olivetti", "olivettifaces.gif"),
        (["olivettifaces.gif", "olivetti_faces.npy"], "olivetti", "olivettifaces.gif"),
        (["olivetti_faces.npy", "olivetti_faces_target.npy"], "olivetti", "olivetti_faces.npy"),
        (["genki4k-v2/x", "genki4k-old.zip"], "genki4k", "genki4k-v2"),
    ],
)
def test_find_corpus_order(tmp_path, held, name, expected):
    touch(tmp_path, *held)
    assert find_corpus(tmp_path, name) == tmp_path / expected


def test_find_corpus_absent(tmp_path):
    touch(tmp_path, "ckplus48.zip", "fer2013.txt")
    assert find_corpus(tmp_path, "fer2013") is None
    assert find_corpus(tmp_path / "no", "fer2013") is None


def test_find_corpus_ambiguous(tmp_path):
    touch(tmp_path, "fer2013.zip", "fer2013.tar.gz")
    with pytest.raises(FerError, match=r"several candidates for 'fer2013' \(fer2013\.tar\.gz, fer2013\.zip\)"):
        find_corpus(tmp_path, "fer2013")


# --- find ------------------------------------------------------------------------------------------------------------


def pack(path, *names):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


def look(source):
    return [name for name in source.names if name.endswith(".face")]


def depth(releases):
    return min(name.count("/") for name in releases)


def found(folder, corpus="genki4k", **how):
    return find(folder, corpus, look, expected="a .face", **how)


@pytest.mark.parametrize("rank", [None, depth])
def test_a_file_is_taken_unread_and_a_folder_by_name_by_content_and_by_archive(tmp_path, rank):
    pack(tmp_path / "other.zip", "b.face")
    pack(tmp_path / "notes.zip", "readme")
    assert found(tmp_path / "notes.zip", rank=rank) == Found(tmp_path / "notes.zip")
    assert found(tmp_path, rank=rank) == Found(tmp_path / "other.zip")
    touch(tmp_path, "a/a.face")
    others = ("other.zip",) if rank else ()
    assert found(tmp_path, rank=rank) == Found(tmp_path, ["a/a.face"], others)
    touch(tmp_path, "GENKI4K/genki4k/c.face")
    assert found(tmp_path, rank=rank) == Found(tmp_path / "GENKI4K" / "genki4k", ["c.face"])


def test_a_name_that_only_starts_like_the_corpus_comes_before_the_content_unless_there_is_a_rank(tmp_path):
    touch(tmp_path, "genki4k_old/a.face")
    assert found(tmp_path).path == tmp_path / "genki4k_old"
    touch(tmp_path, "b.face")
    assert found(tmp_path).path == tmp_path / "genki4k_old"
    assert found(tmp_path, rank=depth) == Found(tmp_path, ["b.face", "genki4k_old/a.face"])


def test_archives_count_at_any_depth_only_with_a_rank_and_the_nearest_is_taken(tmp_path):
    pack(tmp_path / "deep" / "one.zip", "a.face")
    with pytest.raises(FerError, match="no release of GENKI-4K"):
        found(tmp_path)
    assert found(tmp_path, rank=depth).path == tmp_path / "deep" / "one.zip"
    pack(tmp_path / "deep" / "two.zip", "within/a.face")
    assert found(tmp_path, rank=depth).path == tmp_path / "deep" / "one.zip"
    pack(tmp_path / "three.zip", "far/within/a.face")
    assert found(tmp_path, rank=depth).path == found(tmp_path).path == tmp_path / "three.zip"
    pack(tmp_path / "four.zip", "far/within/a.face")
    for rank in (None, depth):
        with pytest.raises(FerError, match=r"GENKI-4K more than once \(four\.zip, three\.zip\)"):
            found(tmp_path, rank=rank)


@pytest.mark.parametrize(("corpus", "helps"), [("fer2013", True), ("ckplus", False)])
def test_a_missing_path_is_named_with_the_download_if_there_is_one(tmp_path, corpus, helps):
    with pytest.raises(FerError) as caught:
        found(tmp_path / "no", corpus)
    assert str(tmp_path / "no") in str(caught.value)
    assert (f"fer-lib data fetch {corpus}" in str(caught.value)) == helps
