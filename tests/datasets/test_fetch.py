"""Test fetching corpora: messages with and without network, credentials and the right bytes."""

import contextlib
import hashlib
import http.client
import http.server
import io
import json
import ssl
import tarfile
import threading
import urllib.error
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets

kagglehub = pytest.importorskip("kagglehub")
requests = pytest.importorskip("requests")

from fer_lib.datasets import (  # noqa: E402
    fetch as fetch_module,
    genki4k,
    olivetti,
)
from fer_lib.datasets.fer2013 import OFFICIAL_CLASS_COUNTS, OFFICIAL_COUNTS  # noqa: E402
from fer_lib.datasets.fer2013.csv import CLASS_NAMES, SPLITS  # noqa: E402
from fer_lib.datasets.fer2013.folders import find_trees  # noqa: E402
from fer_lib.datasets.fetch import HANDLE, fetch, manifest_of, read_manifest  # noqa: E402
from fer_lib.datasets.readers.archives import open_source  # noqa: E402
from fer_lib.errors import FerError  # noqa: E402


def write_release(folder):
    """Write a release with one file for each split and class; the bytes need not be pictures here."""
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
    """Replace the download; the test sets its result or error. Collect the requested handles."""
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


def test_a_folder_of_hidden_files_is_replaced(tmp_path, release, kaggle):
    kaggle(release)
    (tmp_path / "data" / "fer2013" / ".fer-cache").mkdir(parents=True)
    fetch("fer2013", tmp_path / "data")
    assert files_of(tmp_path / "data" / "fer2013") == files_of(release)
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["fer2013"]


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
        (kagglehub.exceptions.UnauthenticatedError(), ["asks for credentials", "KAGGLE_API_TOKEN"]),
        (kagglehub.exceptions.CredentialError(), ["asks for credentials", "CredentialError"]),
    ],
    ids=["no network", "timeout", "corrupt", "no login", "no key"],
)
def test_without_a_download_the_message_says_what_to_do_by_hand(tmp_path, kaggle, error, words):
    kaggle(error)
    message = message_of(tmp_path)
    by_hand = ["kaggle.com/datasets/msambare/fer2013", "fer2013.zip", "`fer-lib data check"]
    assert all(word in message for word in [*words, *by_hand]), message
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("status", "words"), [(403, "asks for credentials"), (404, "gave no download")])
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


# --- GENKI-4K --------------------------------------------------------------------------------------------------------


LABELS = b"1 0.1 0.2 0.3\n0 0.1 0.2 0.3\n"


def genki_archive(labels=LABELS, stamp=0):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in {"labels.txt": labels, "files/file0001.jpg": b"1", "files/file0002.jpg": b"2"}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), stamp
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine; the test sets its answer for each path, and the addresses to ask."""
    answers, asked = {}, []
    state = SimpleNamespace(answers=answers, asked=asked, at_request=lambda: None)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            state.at_request()
            status, body, stated = answers.get(self.path, (404, b"no", None))
            self.send_response(status)
            self.send_header("Content-Length", str(stated or len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    monkeypatch.setattr(genki4k, "LABELS_SHA256", genki4k.labels_sha256(LABELS.decode()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setattr(fetch_module, "GENKI4K_URLS", (f"{home}/genki4k.tar",))
        state.home = home
        yield state
        running.shutdown()


def genki_message(tmp_path):
    with pytest.raises(FerError) as caught:
        fetch("genki4k", tmp_path / "data")
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_genki4k_is_downloaded_checked_and_recorded(tmp_path, server):
    body = genki_archive()
    server.answers["/genki4k.tar"] = (200, body, None)
    fetched = fetch("genki4k", tmp_path / "data")
    assert (fetched.path, fetched.downloaded, fetched.verified) == (tmp_path / "data" / "genki4k.tar", True, True)
    assert fetched.path.read_bytes() == body
    assert sorted(entry.name for entry in (tmp_path / "data").iterdir()) == ["genki4k.tar", "genki4k.tar.sha256"]
    digest = hashlib.sha256(body).hexdigest()
    assert (tmp_path / "data" / "genki4k.tar.sha256").read_text() == f"{digest}  genki4k.tar\n"
    said = " ".join(fetched.remarks)
    assert "could not verify" in said
    assert "No checksum of the archive is published" in said
    again = fetch("genki4k", tmp_path / "data")
    assert (again.downloaded, server.asked) == (False, ["/genki4k.tar"])
    assert "the one that genki4k.tar.sha256 recorded" in " ".join(again.remarks)


def test_another_archive_than_the_recorded_one_is_refused(tmp_path, server):
    server.answers["/genki4k.tar"] = (200, genki_archive(), None)
    path = fetch("genki4k", tmp_path / "data").path
    path.write_bytes(genki_archive(stamp=99))
    assert "delete that record to accept the new archive" in genki_message(tmp_path)
    path.unlink()
    server.answers["/genki4k.tar"] = (200, genki_archive(stamp=99), None)
    assert "The downloaded archive has the SHA-256" in genki_message(tmp_path)
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["genki4k.tar.sha256"]
    (tmp_path / "data" / "genki4k.tar.sha256").unlink()
    assert fetch("genki4k", tmp_path / "data").downloaded


def test_the_next_address_is_asked_where_one_does_not_answer(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetch_module, "GENKI4K_URLS", (f"{server.home}/gone.tar", f"{server.home}/here.tar"))
    server.answers["/here.tar"] = (200, genki_archive(), None)
    assert f"{server.home}/here.tar" in fetch("genki4k", tmp_path / "data").remarks[0]
    assert server.asked == ["/gone.tar", "/here.tar"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b"<!DOCTYPE html><p>moved", None), "gave a web page rather than an archive"),
        ((200, b"just text", None), "The downloaded archive is no archive"),
        ((200, b"", None), "gave an empty file"),
        ((200, genki_archive()[:700], len(genki_archive())), "No download"),
        ((200, genki_archive(labels=b"1 0 0 0\n1 0 0 0\n"), None), "has other labels than the official 4,000"),
        ((200, b"x" * 70_000, None), "gives more than"),
        ((404, b"", None), "answers 404 Not Found"),
    ],
    ids=["html", "text", "empty", "interrupted", "labels", "endless", "absent"],
)
def test_a_bad_download_leaves_nothing(tmp_path, server, monkeypatch, answer, words):
    monkeypatch.setattr(fetch_module, "GENKI4K_LIMIT", 60_000)
    server.answers["/genki4k.tar"] = answer
    assert words in genki_message(tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_that_breaks_off_is_tried_again(tmp_path, server):
    whole = genki_archive()
    server.answers["/genki4k.tar"] = (200, whole[:700], len(whole))
    message = genki_message(tmp_path)
    assert f"the connection broke off after 700 of {len(whole):,} bytes" in message
    assert len(server.asked) == 3
    assert list((tmp_path / "data").iterdir()) == []
    server.at_request = lambda: (
        server.answers.update({"/genki4k.tar": (200, whole, None)}) if server.asked[4:] else None
    )
    assert fetch("genki4k", tmp_path / "data").path.read_bytes() == whole
    assert len(server.asked) == 5


def test_a_broken_encryption_is_tried_again_and_named(tmp_path, server, monkeypatch):
    server.answers["/genki4k.tar"] = (200, genki_archive(), None)
    read = http.client.HTTPResponse.read

    def broken(answer, *args):
        raise ssl.SSLError(1, "record layer failure")

    monkeypatch.setattr(http.client.HTTPResponse, "read", broken)
    assert "record layer failure" in genki_message(tmp_path)
    assert len(server.asked) == 3
    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    assert fetch("genki4k", tmp_path / "data").path.read_bytes() == genki_archive()


def test_no_network_says_what_to_do_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module, "GENKI4K_URLS", ("http://127.0.0.1:9/genki4k.tar",))
    message = genki_message(tmp_path)
    assert "check the network, or download http" in message
    assert "`fer-lib data check" in message
    assert list((tmp_path / "data").iterdir()) == []


def test_genki4k_of_ones_own_is_checked_in_place(tmp_path, server):
    folder = tmp_path / "data" / "genki4k"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "file0001.jpg").write_bytes(b"1")
    (folder / "labels.txt").write_bytes(LABELS.replace(b"\n", b"\r\n"))
    assert fetch("genki4k", tmp_path / "data").downloaded is False
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["genki4k"]
    (folder / "labels.txt").write_bytes(LABELS[::-1])
    assert "has other labels" in genki_message(tmp_path)


# --- the others ------------------------------------------------------------------------------------------------------


def test_olivetti_comes_by_scikit_learn_as_plain_arrays(tmp_path, monkeypatch):
    levels = np.random.default_rng(0).integers(0, 243, (400, 64, 64))
    levels[0, 0, :2] = 0, 242
    asked = []

    def download(**options):
        asked.append(options)
        return SimpleNamespace(images=(levels / 242).astype(np.float32), target=np.repeat(np.arange(40), 10))

    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", download)
    fetched = fetch("olivetti", tmp_path / "data")
    assert fetched.path == tmp_path / "data" / "olivetti.npz"
    assert asked[0]["shuffle"] is False
    faces = olivetti.load(tmp_path / "data")
    np.testing.assert_array_equal(faces.images, np.rint(levels * 255 / 242).astype(np.uint8))
    assert not faces.synthetic
    assert fetch("olivetti", tmp_path / "data").downloaded is False
    assert len(asked) == 1


def test_olivetti_without_a_network(tmp_path, monkeypatch):
    def refuse(**_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, "fetch_olivetti_faces", refuse)
    with pytest.raises(FerError, match=r"URLError.*check the network, or put olivettifaces.mat"):
        fetch("olivetti", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_ckplus_comes_from_its_owners(tmp_path):
    with pytest.raises(FerError) as caught:
        fetch("ckplus", tmp_path)
    for words in ("only from its owners", "University of Pittsburgh", "Emotion_labels.zip", str(tmp_path / "ckplus")):
        assert words in str(caught.value)
