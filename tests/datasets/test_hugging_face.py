"""Test FER-2013 as the Hugging Face hub has it: Parquet files and WebDataset tars."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile

import numpy as np
import pytest

from fer_lib import cli
from fer_lib.datasets import corpus, fer2013
from fer_lib.datasets.fer2013 import CLASS_NAMES
from fer_lib.datasets.synthetic import writers
from fer_lib.errors import FerError
from fer_lib.settings import DataSettings

ALPHABETICAL = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
LABEL = {"angry": 0, "disgusted": 1, "fearful": 2, "happy": 3, "neutral": 6, "sad": 4, "surprised": 5}
PARTS = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    writers.write_fer2013_folders(root / "folders", n=140, seed=1)
    return fer2013.load(root / "folders", cache=False), root / "folders"


@pytest.fixture(scope="module")
def records(folders):
    """The pictures' bytes with their alphabetical labels, by part."""
    faces, root = folders
    parts: dict[str, list[tuple[bytes, int]]] = {part: [] for part in PARTS}
    names = {split: part for part, split in PARTS.items()}
    number = {LABEL[name]: code for code, name in enumerate(ALPHABETICAL)}
    for split, label, source in zip(faces.meta["split"], faces.labels.tolist(), faces.meta["source"], strict=True):
        parts[names[split]].append(((root / source).read_bytes(), number[label]))
    return parts


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_tars(folder, parts, *, names=ALPHABETICAL, shards=2, path="{part}/{shard}.tar"):
    for part, rows in parts.items():
        for shard in range(shards):
            file = folder / path.format(part=part, shard=shard)
            file.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(file, "w") as tar:
                for number, (data, code) in enumerate(rows[shard::shards]):
                    add(tar, f"s{number:07}.cls", str(code).encode())
                    add(tar, f"s{number:07}.jpg", data)
    if names:
        (folder / "classnames.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "SYNTHETIC.txt").touch()


def test_webdataset_tars_are_read_like_folders_of_classes(tmp_path, folders, records, capsys):
    write_tars(tmp_path / "fer2013", records)
    faces = fer2013.load(tmp_path)
    assert faces.notes["layout"] == "webdataset"
    assert faces.fingerprint == folders[0].fingerprint
    assert faces.class_names == CLASS_NAMES
    assert corpus.load_fer2013(DataSettings(), str(tmp_path)).fingerprint == faces.fingerprint  # from the cache
    assert cli.main(["data", "check", str(tmp_path)]) == 0
    assert "layout       webdataset" in capsys.readouterr().out
    (tmp_path / "fer2013" / "classnames.txt").write_text("\n".join(reversed(ALPHABETICAL)))
    assert fer2013.load(tmp_path).fingerprint != faces.fingerprint  # other names are another corpus


def test_bare_tars_in_the_data_folder_are_found_by_their_content(tmp_path, folders, records):
    write_tars(tmp_path, records, path="{part}-{shard:05}.tar")
    assert corpus.load_fer2013(DataSettings(), str(tmp_path)).fingerprint == folders[0].fingerprint


def test_one_tar_is_one_part_and_a_lone_test_part_is_not_called_privatetest(tmp_path, records):
    write_tars(tmp_path, records, shards=1)
    shutil.copy(tmp_path / "train" / "0.tar", tmp_path / "train.tar")
    training = fer2013.load(tmp_path / "train.tar", skip_bad=True)  # with other counts than the corpus
    assert set(training.meta["split"]) == {"Training"}
    shutil.rmtree(tmp_path / "validation")
    (tmp_path / "train.tar").unlink()
    assert set(fer2013.load(tmp_path).meta["split"]) == {"Training", "Test"}


def test_tars_without_names_without_labels_or_of_another_corpus_are_said(tmp_path, records):
    write_tars(tmp_path / "fer2013", records, names=())
    with pytest.raises(FerError, match=r"0\.tar has numbers for labels.*put classnames\.txt next to it"):
        fer2013.load(tmp_path)
    write_tars(tmp_path / "fer2013", records)
    with tarfile.open(tmp_path / "fer2013" / "test" / "0.tar", "a") as tar:
        add(tar, "extra.jpg", records["test"][0][0])
        add(tar, "odd.jpg", records["test"][0][0])
        add(tar, "odd.cls", b"7")
    with pytest.raises(FerError, match=r"the first of 2 faults: 1 missing label, 1 unknown emotion"):
        fer2013.load(tmp_path)
    assert len(fer2013.load(tmp_path, skip_bad=True)) == 140
    write_tars(tmp_path / "other", records, names=("cat", "dog", *ALPHABETICAL[2:]))
    with pytest.raises(FerError, match="is no release of FER-2013"):
        fer2013.load(tmp_path / "other")


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    footer = b'image label {"info": {"features": {"label": {"names": ["angry", "happy"]}}}}'
    folder = tmp_path / "fer2013" / "data"
    folder.mkdir(parents=True)
    whole = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    (folder / "train-00000-of-00001.parquet").write_bytes(whole)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FerError, match=r"is Parquet, which pyarrow reads; install it with the extra huggingface"):
        fer2013.load(tmp_path)


def write_parquet(folder, parts, *, named=True, words=False):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    features = {"image": {"_type": "Image"}, "label": {"names": list(ALPHABETICAL), "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()} if named else {}
    for part, rows in parts.items():
        images = pa.array(
            [{"bytes": data, "path": f"{number}.jpg"} for number, (data, _) in enumerate(rows)],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
        labels = pa.array([ALPHABETICAL[code] if words else code for _, code in rows])
        table = pa.table({"image": images, "label": labels}).replace_schema_metadata(metadata)
        parquet.write_table(table, folder / f"{part}-00000-of-00001.parquet")
    (folder / "SYNTHETIC.txt").touch()


@pytest.mark.parametrize("words", [False, True])
def test_parquet_files_are_read_like_folders_of_classes(tmp_path, folders, records, words):
    write_parquet(tmp_path / "fer2013" / "data", records, named=not words, words=words)
    faces = corpus.load_fer2013(DataSettings(), str(tmp_path))
    assert faces.notes["layout"] == "parquet"
    assert faces.fingerprint == folders[0].fingerprint
    assert np.array_equal(faces.labels, folders[0].labels)
    data = tmp_path / "bare"
    shutil.copytree(tmp_path / "fer2013" / "data", data)
    if not words:  # the names of the classes say that it is FER-2013
        assert corpus.load_fer2013(DataSettings(), str(data)).fingerprint == folders[0].fingerprint


def test_parquet_with_numbers_alone_needs_names_and_a_damaged_file_is_said(tmp_path, folders, records):
    write_parquet(tmp_path / "fer2013", records, named=False)
    with pytest.raises(FerError, match=r"has numbers for labels.*put classnames\.txt next to it"):
        fer2013.load(tmp_path)
    (tmp_path / "fer2013" / "classnames.txt").write_text("\n".join(ALPHABETICAL))
    assert fer2013.load(tmp_path).fingerprint == folders[0].fingerprint
    file = tmp_path / "fer2013" / "test-00000-of-00001.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + b"\0" * 2000 + whole[2004:])
    with pytest.raises(FerError, match="cannot be read"):
        fer2013.load(tmp_path)
