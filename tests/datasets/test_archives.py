"""Test reading folders, zips, tars and files safely through one interface."""

import gzip
import hashlib
import io
import os
import random
import stat
import tarfile
import zipfile

import pytest

from fer_lib.datasets.readers.archives import archive_kind, content_digests, members_digest, open_source
from fer_lib.errors import FerError

FILES = {"b/two.txt": b"two", "a.txt": b"one", "b/c/three.txt": b"three" * 1000}
LITTER = {"__MACOSX/a.txt": b"", ".hidden/x": b"", "b/.DS_Store": b"", "b/Thumbs.db": b""}


def make_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path, files, mode="w:gz", links=()):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def make_folder(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_zip, "zip"),
        (make_tar, "tar"),
        (lambda path, files: make_tar(path, files, "w"), "tar"),
        (lambda path, files: make_tar(path, files, "w:xz"), "tar"),
        (make_folder, "folder"),
    ],
    ids=["zip", "tar.gz", "tar", "tar.xz", "folder"],
)
def test_every_container_gives_the_same_members(tmp_path, make, kind):
    with open_source(make(tmp_path / "container", FILES | LITTER)) as source:
        assert source.container == kind
        assert source.names == ("a.txt", "b/c/three.txt", "b/two.txt")
        assert dict(source.items(source.names)) == FILES
        assert source.read("b/two.txt") == b"two"
        assert source.size("b/c/three.txt") == 5000
        with source.open("b/c/three.txt") as stream:
            assert stream.read(5) == b"three"
        digest = members_digest(content_digests(source, source.names))
    text = b"".join(name.encode() + b"\0" + hashlib.sha256(FILES[name]).digest() for name in sorted(FILES))
    assert digest == hashlib.sha256(text).hexdigest()


def test_the_digest_depends_on_names_and_contents():
    one = members_digest({"a": b"1" * 32, "b": b"2" * 32})
    assert one == members_digest({"b": b"2" * 32, "a": b"1" * 32})
    assert len({one, members_digest({"a": b"2" * 32, "b": b"1" * 32}), members_digest({"a": b"1" * 32})}) == 3


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil.txt", "C:/evil.txt"])
def test_names_that_lead_out_are_refused(tmp_path, make, name):
    path = make(tmp_path / "archive", {"a.txt": b"", name: b"evil"})
    with pytest.raises(FerError, match="leads out of the archive"):
        open_source(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["archive"]


def test_links_in_archives_are_ignored_and_counted(tmp_path):
    links = [("secret.txt", "/etc/passwd"), ("up", "../..")]
    with open_source(make_tar(tmp_path / "t", FILES, links=links)) as source:
        assert (source.ignored, len(source.names)) == (2, 3)
    path = make_zip(tmp_path / "z", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("secret.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with open_source(path) as source:
        assert (source.ignored, len(source.names)) == (1, 3)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(FerError, match=r"two members named 'a\.txt'"):
        open_source(make_zip(tmp_path / "z", {"a.txt": b"1", "./a.txt": b"2"}))


def test_windows_names_in_a_zip(tmp_path):
    with open_source(make_zip(tmp_path / "z", {"train\\angry\\x.jpg": b"x"})) as source:
        assert source.names == ("train/angry/x.jpg",)


def test_an_encrypted_member_is_named(tmp_path):
    path = make_zip(tmp_path / "z.zip", {"a.txt": b"one"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with open_source(path) as source, pytest.raises(FerError, match=r"a\.txt is encrypted"):
        source.read("a.txt")


def test_a_damaged_member_is_named(tmp_path):
    path = make_zip(tmp_path / "z.zip", {"a.txt": b"one" * 100})
    path.write_bytes(path.read_bytes().replace(b"oneone", b"oneOne", 1))
    with open_source(path) as source, pytest.raises(FerError, match=r"z\.zip: a\.txt cannot be read"):
        source.read("a.txt")


def test_a_member_too_large_for_a_picture_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fer_lib.datasets.readers.archives.MEMBER_LIMIT", 1000)
    with (
        open_source(make_folder(tmp_path / "f", FILES)) as source,
        pytest.raises(FerError, match=r"three\.txt is larger"),
    ):
        source.read("b/c/three.txt")


def zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(200_000))
        archive.writestr("b.txt", bytes(200_000))
    return path


def tar_bomb(path):
    """A header that claims 64 GiB, with nothing after it: refused before reading on."""
    info = tarfile.TarInfo("a.txt")
    info.size = 2**36
    path.write_bytes(gzip.compress(info.tobuf()))
    return path


@pytest.mark.parametrize("make", [zip_bomb, tar_bomb])
def test_a_bomb_is_refused_by_what_it_states(tmp_path, monkeypatch, make):
    path = make(tmp_path / "bomb")
    with monkeypatch.context() as patch:
        patch.setattr("fer_lib.datasets.readers.archives.MEMBER_LIMIT", 1000)
        with pytest.raises(FerError, match=r"bomb would unpack to more than .* times its own size; such an archive"):
            open_source(path)
    if make is zip_bomb:  # a small one does no harm
        with open_source(path) as source:
            assert len(source.read("b.txt")) == 200_000


def test_folders_follow_links_but_no_loops(tmp_path):
    folder = make_folder(tmp_path / "f", FILES)
    make_folder(tmp_path / "disk", {"more.txt": b"more"})
    os.symlink(tmp_path / "disk", folder / "linked")
    os.symlink(folder, folder / "b" / "loop")
    os.symlink(tmp_path / "gone", folder / "broken.txt")
    with open_source(folder) as source:
        assert source.names == ("a.txt", "b/c/three.txt", "b/two.txt", "broken.txt", "linked/more.txt")
        with pytest.raises(FerError, match=r"f/broken\.txt cannot be read"):
            source.read("broken.txt")


def test_kinds_are_told_by_content(tmp_path):
    assert archive_kind(make_zip(tmp_path / "x.csv", FILES)) == "zip"
    assert archive_kind(make_tar(tmp_path / "x.zip", FILES)) == "tar"
    (tmp_path / "x.tar.gz").write_text("emotion,pixels,Usage\n")
    assert archive_kind(tmp_path / "x.tar.gz") is None
    with pytest.raises(FerError, match="No such file or folder: "):
        open_source(tmp_path / "no")


@pytest.mark.parametrize("size", [0, 2**16 - 1, 2**16, 2**16 + 1, 300_000])
def test_a_member_of_any_size_is_read_whole(tmp_path, size):
    data = random.Random(size).randbytes(size)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "picture").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("picture", data)
    for path in (tmp_path / "folder", tmp_path / "x.zip"):
        with open_source(path) as source:
            assert source.read("picture") == data
