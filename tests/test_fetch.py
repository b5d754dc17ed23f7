"""Fetching FER-2013: what is said with and without network, credentials and the right bytes."""

import json
import zipfile

import pytest

kagglehub = pytest.importorskip("kagglehub")
requests = pytest.importorskip("requests")

from fer_lib.datasets import fetch as fetch_module  # noqa: E402
from fer_lib.datasets.fer2013 import OFFICIAL_CLASS_COUNTS, OFFICIAL_COUNTS  # noqa: E402
from fer_lib.datasets.fer2013_csv import CLASS_NAMES, SPLITS  # noqa: E402
from fer_lib.datasets.fer2013_folders import find_trees  # noqa: E402
from fer_lib.datasets.fetch import HANDLE, fetch, manifest_of, read_manifest  # noqa: E402
from fer_lib.datasets.sources import open_source  # noqa: E402
from fer_lib.errors import FerError  # noqa: E402


def write_release(folder):
    """Writes a release of one file a split and class; the bytes need not be pictures here."""
    for split in SPLITS:
        for name in CLASS_NAMES:
            place = folder / ("train" if split == "Training" else "test") / name
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{split}_1.jpg").write_bytes(f"{split} {name}".encode())
    return folder


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A release in kagglehub's cache, and the manifest that fits it."""
    folder = write_release(tmp_path / "kagglehub" / "1")
    with open_source(folder) as source:
        manifest = manifest_of(source, find_trees(source.names)[0])
    monkeypatch.setattr(fetch_module, "read_manifest", lambda: manifest)
    return folder


@pytest.fixture
def kaggle(monkeypatch):
    """Replaces the download; the test says what it returns or raises. Collects the handles asked for."""
    asked = []

    def answer(outcome):
        def download(handle):
            asked.append(handle)
            if isinstance(outcome, BaseException):
                raise outcome
            return str(outcome)

        monkeypatch.setattr(kagglehub, "dataset_download", download)
        return asked

    return answer


def message_of(tmp_path):
    with pytest.raises(FerError) as caught:
        fetch("fer2013", tmp_path / "data")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_fetched_release_stands_in_the_data_folder(tmp_path, release, kaggle):
    asked = kaggle(release)
    fetched = fetch("fer2013", tmp_path / "data")
    assert fetched == fetch_module.Fetched(tmp_path / "data" / "fer2013", downloaded=True, verified=True)
    assert asked == ["msambare/fer2013/versions/1"]
    assert files_of(tmp_path / "data" / "fer2013") == files_of(release)
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["fer2013"]


def test_what_is_there_is_not_downloaded_again(tmp_path, release, kaggle):
    asked = kaggle(release)
    fetch("fer2013", tmp_path / "data")
    again = fetch("fer2013", tmp_path / "data")
    assert (again.downloaded, again.verified) == (False, True)
    assert len(asked) == 1


def test_a_csv_that_is_there_is_left_alone(tmp_path, release, kaggle):
    kaggle(AssertionError("no download"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    assert fetch("fer2013", tmp_path / "data").verified is None


def test_an_archive_that_is_there_is_verified_in_place(tmp_path, release, kaggle):
    kaggle(AssertionError("no download"))
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "fer2013.zip", "w") as archive:
        for name, data in files_of(release).items():
            archive.writestr(f"any/{name}", data)
    assert fetch("fer2013", tmp_path / "data").verified is True


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            requests.exceptions.ConnectionError("Max retries exceeded"),
            ["gave no download", "ConnectionError", "network"],
        ),
        (requests.exceptions.ReadTimeout("read timed out"), ["gave no download", "ReadTimeout"]),
        (kagglehub.exceptions.DataCorruptionError("MD5\nmismatch"), ["gave no download", "MD5 mismatch"]),
        (kagglehub.exceptions.UnauthenticatedError(), ["wants credentials", "KAGGLE_API_TOKEN"]),
        (kagglehub.exceptions.CredentialError(), ["wants credentials", "CredentialError"]),
    ],
    ids=["no network", "timeout", "corrupt", "no login", "no key"],
)
def test_without_a_download_the_message_says_what_to_do_by_hand(tmp_path, kaggle, error, words):
    kaggle(error)
    message = message_of(tmp_path)
    by_hand = ["kaggle.com/datasets/msambare/fer2013", "fer2013.zip", "`fer-lib data check"]
    assert all(word in message for word in [*words, *by_hand]), message
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("status", "words"), [(403, "wants credentials"), (404, "gave no download")])
def test_an_answer_of_the_server(tmp_path, kaggle, status, words):
    response = requests.Response()
    response.status_code = status
    kaggle(kagglehub.exceptions.KaggleApiHTTPError("refused", response=response))
    assert words in message_of(tmp_path)


def test_other_bytes_are_named_by_part(tmp_path, release, kaggle):
    (release / "train" / "happy" / "Training_1.jpg").write_bytes(b"other")
    (release / "test" / "sad" / "PublicTest_2.jpg").write_bytes(b"one more")
    kaggle(release)
    message = message_of(tmp_path)
    assert "PublicTest/sad (2 files rather than 1); Training/happy (as many files" in message
    assert "`fer-lib data check" in message
    assert (tmp_path / "data" / "fer2013" / "train" / "happy" / "Training_1.jpg").read_bytes() == b"other"


def test_a_missing_part_and_a_stray_file_are_named(tmp_path, release, kaggle):
    (release / "train" / "fear" / "Training_1.jpg").rename(release / "train" / "fear" / "stray.jpg")
    kaggle(release)
    message = message_of(tmp_path)
    assert "Training/fear (0 files rather than 1)" in message
    assert "other (1 files rather than 0)" in message


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path, release, kaggle, monkeypatch):
    kaggle(release)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch_module.shutil, "copytree", full)
    with pytest.raises(OSError, match="No space"):
        fetch("fer2013", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_only_known_corpora(tmp_path):
    with pytest.raises(FerError, match=r"'fer2012' cannot be fetched \(did you mean 'fer2013'\?\)"):
        fetch("fer2012", tmp_path)


def test_the_committed_manifest_is_the_whole_official_corpus():
    manifest = read_manifest()
    counts = {part: entry["files"] for part, entry in manifest["parts"].items()}
    assert counts == {
        f"{split}/{name}": count
        for split in SPLITS
        for name, count in zip(CLASS_NAMES, OFFICIAL_CLASS_COUNTS[split], strict=True)
    }
    assert manifest["files"] == sum(OFFICIAL_COUNTS.values()) == sum(counts.values())
    assert len({entry["sha256"] for entry in manifest["parts"].values()}) == 21
    assert manifest["handle"] == HANDLE
    assert "elsewhere than from Kaggle" in manifest["computed_from"]
    assert json.dumps(manifest)
