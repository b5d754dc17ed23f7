"""Test reading folders of classes: Tiny-ImageNet's own layout and the plain one; the place of every fault."""

import hashlib
import io
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from fer_lib.datasets import imagenet_folders
from fer_lib.datasets.imagenet_folders import ImageFolders
from fer_lib.datasets.readers.archives import open_source
from fer_lib.datasets.synthetic.patterns import write_image_folders
from fer_lib.errors import FerError

WNIDS = ("n01443537", "n01629819", "n02000001")


def picture(red=0, size=(24, 24), form="PNG", mode="RGB"):
    """Make the bytes of a plain picture of the given height and width; its red level tells it from others."""
    stream = io.BytesIO()
    Image.new(mode, (size[1], size[0]), red if mode == "L" else (red, 90, 200)).save(stream, form)
    return stream.getvalue()


def official_files():
    """Make three classes of two training images and one validation image; red is 10 * class + number."""
    files = {"wnids.txt": "\n".join(reversed(WNIDS)).encode(), "words.txt": b"n01443537\tgoldfish\nn09\tsea\n"}
    lines = []
    for label, wnid in enumerate(WNIDS):
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b"n01443537_0.JPEG\t0\t10\t63\t58\n"
        for number in range(2):
            files[f"train/{wnid}/images/{wnid}_{number}.png"] = picture(10 * label + number)
        files[f"val/images/val_{2 - label}.png"] = picture(100 + label)
        lines.append(f"val_{2 - label}.png\t{wnid}\t0\t0\t23\t23\n")
    files["val/val_annotations.txt"] = "".join(lines).encode()
    return files | {"test/images/test_0.png": picture(250)}


def plain_files():
    return {
        "train/cat/a.png": picture(1),
        "train/cat/deep/er/b.JPEG": picture(2, form="JPEG"),
        "train/dog/c.webp": picture(11, form="WEBP"),
        "train/dog/notes.txt": b"not a picture",
        "val/cat/d.png": picture(101),
        "val/dog/e.png": picture(111),
        "README.md": b"folders of classes",
    }


def write(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def load(path, **options):
    return imagenet_folders.load(path, **{"side": 24, **options})


def error_of(path, **options):
    with pytest.raises(FerError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def reds(images):
    return images[:, 0, 0, 0].tolist()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FER_CACHE", str(folder))
    return folder


# --- the layouts -----------------------------------------------------------------------------------------------------


def test_the_official_layout(tmp_path):
    data = load(write(tmp_path / "x" / "tiny-imagenet-200", official_files()).parent)
    assert isinstance(data, ImageFolders)
    assert data.class_names == WNIDS  # sorted, unlike wnids.txt
    assert data.class_titles == ("goldfish", *WNIDS[1:])
    assert data.images.shape == (6, 24, 24, 3)
    assert data.images.dtype == data.val_images.dtype == np.uint8
    assert (reds(data.images), data.labels.tolist()) == ([0, 1, 10, 11, 20, 21], [0, 0, 1, 1, 2, 2])
    assert (reds(data.val_images), data.val_labels.tolist()) == ([100, 101, 102], [0, 1, 2])
    assert data.images[0, 0, 0].tolist() == [0, 90, 200]  # RGB, not BGR
    assert (data.corpus, data.side, len(data), data.synthetic) == ("tiny-imagenet", 24, 6, False)
    assert data.notes["layout"] == "official Tiny-ImageNet"
    assert data.notes["count_deviations"]["training images"] == {"found": 6, "official": 100_000}
    assert data.notes["count_deviations"]["classes of 500 training images"]["found"] == 0
    assert data.notes["skipped"] == {}


def test_folders_of_classes(tmp_path):
    data = load(write(tmp_path / "objects", plain_files()))
    assert data.class_names == data.class_titles == ("cat", "dog")
    assert reds(data.images) == pytest.approx([1, 2, 11], abs=2)
    assert data.labels.tolist() == [0, 0, 1]
    assert (reds(data.val_images), data.val_labels.tolist()) == ([101, 111], [0, 1])
    assert (data.corpus, data.notes["count_deviations"]) == ("image folders", {})
    assert data.notes["classes_without_validation"] == 0


def test_a_validation_folder_may_lack_a_class_and_have_its_long_name(tmp_path):
    files = {name.replace("val/", "Validation/"): data for name, data in plain_files().items() if "dog/e" not in name}
    data = load(write(tmp_path / "objects", files))
    assert data.val_labels.tolist() == [0]
    assert data.notes["classes_without_validation"] == 1


def test_a_class_may_be_named_like_a_part(tmp_path):
    files = {f"{part}/{name}/x.png": picture(9) for part in ("train", "val") for name in ("train", "val")}
    assert load(write(tmp_path / "objects", files)).class_names == ("train", "val")


@pytest.mark.parametrize("files", [official_files(), plain_files()], ids=["official", "folders"])
def test_every_container_gives_the_same_images(tmp_path, files):
    folder = write(tmp_path / "a", files)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name in reversed(files):
            archive.writestr(f"deep/er/{name}", files[name])
    sets = [load(path, cache=cache) for path in (folder, tmp_path / "b.zip") for cache in (False, True)]
    assert len({data.fingerprint for data in sets}) == 1
    for data in sets[1:]:
        np.testing.assert_array_equal(data.images, sets[0].images)
        np.testing.assert_array_equal(data.val_labels, sets[0].val_labels)
    assert [data.notes["container"] for data in sets] == ["folder", "folder", "zip", "zip"]


def test_pictures_of_any_size_and_kind_are_cropped_to_the_side(tmp_path):
    files = plain_files() | {
        "train/cat/wide.png": picture(31, size=(30, 90)),
        "train/cat/tiny.png": picture(32, size=(3, 2)),
        "train/cat/grey.png": picture(33, mode="L"),
    }
    data = load(write(tmp_path / "objects", files), side=16)
    assert data.images.shape == (6, 16, 16, 3)
    rows = {red: row for row, red in enumerate(reds(data.images))}
    assert {31, 32, 33} <= set(rows)
    assert set(data.images[rows[33]].ravel().tolist()) == {33}


def test_generated_images_of_both_layouts(tmp_path):
    official = load(write_image_folders(tmp_path / "a", train=3, validation=2, side=24))
    plain = load(write_image_folders(tmp_path / "b", train=3, validation=2, side=24, layout="folders"))
    for data in (official, plain):
        assert data.synthetic
        assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert data.val_labels.tolist() == [0, 0, 1, 1]
    assert official.class_titles == ("stripes, pattern 1", "stripes, pattern 2")
    np.testing.assert_array_equal(official.images[0], plain.images[0])  # the first has the same size in both


def test_a_source_is_recognised_only_with_both_parts(tmp_path):
    with open_source(write(tmp_path / "a", official_files())) as source:
        assert imagenet_folders.recognises(source)
    with open_source(write(tmp_path / "b", {"train/cat/a.png": picture(), "test/cat/b.png": picture()})) as source:
        assert not imagenet_folders.recognises(source)


# --- the fingerprint and the cache -----------------------------------------------------------------------------------


def test_the_fingerprint_follows_pixels_and_labels(tmp_path):
    data = load(write(tmp_path / "a", official_files()))
    in_memory = ImageFolders(
        *(np.array(part) for part in (data.images, data.labels, data.val_images, data.val_labels)),
        class_names=data.class_names,
        class_titles=data.class_titles,
        corpus=data.corpus,
    )
    assert in_memory.fingerprint == data.fingerprint
    pixels = hashlib.sha256(data.images.tobytes() + data.val_images.tobytes()).hexdigest()
    assert data.pixels_sha256 == pixels
    changed = official_files() | {f"train/{WNIDS[0]}/images/{WNIDS[0]}_0.png": picture(77)}
    assert load(write(tmp_path / "b", changed)).fingerprint != data.fingerprint


def test_a_second_reading_decodes_nothing(tmp_path, monkeypatch, cache):
    root = write(tmp_path / "a", official_files())
    first = load(root)
    assert isinstance(first.images, np.memmap)
    assert not first.images.flags.writeable
    monkeypatch.setattr(imagenet_folders, "decode_square", None)
    second = load(root)
    assert second.fingerprint == first.fingerprint
    assert second.notes == first.notes
    assert second.labels.tolist() == first.labels.tolist()
    assert {path.suffix for path in cache.iterdir()} == {".npy", ".json"}


def test_a_changed_picture_or_option_is_read_again(tmp_path):
    root = write(tmp_path / "a", official_files())
    first = load(root)
    assert load(root, side=12).side == 12
    (root / f"train/{WNIDS[0]}/images/{WNIDS[0]}_0.png").write_bytes(picture(77, form="BMP"))
    assert reds(load(root).images)[:2] == [77, 1]
    (root / "val/val_annotations.txt").write_text("".join(f"val_{k}.png\t{WNIDS[0]}\n" for k in range(3)))
    assert load(root).val_labels.tolist() == [0, 0, 0]
    assert reds(first.images)[:2] == [0, 1]  # the map of the first reading stays what it was


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "file" / "below"))
    data = load(write(tmp_path / "a", official_files()))
    assert reds(data.images) == [0, 1, 10, 11, 20, 21]
    assert "cannot be written; the corpus is decoded again each time" in caplog.text


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_missing_path_and_another_corpus_are_named(tmp_path):
    assert "No such file or folder" in error_of(tmp_path / "absent")
    message = error_of(write(tmp_path / "other", {"notes.txt": b"x"}))
    assert "it contains notes.txt" in message
    assert "train/<class>/" in message
    (tmp_path / "empty").mkdir()
    assert "contains nothing" in error_of(tmp_path / "empty")
    write(tmp_path / "one", {"train/cat/readme.txt": b"no picture", "val/cat/readme.txt": b"no picture"})
    assert "is no release of tiny-imagenet" in error_of(tmp_path / "one")


def test_a_side_out_of_range(tmp_path):
    assert "side=7; expected 8 to 1024" in error_of(tmp_path, side=7)


def test_two_corpora_and_tar_archives_are_refused(tmp_path):
    files = plain_files()
    root = write(tmp_path / "both", {f"{k}/{name}": data for k in ("a", "b") for name, data in files.items()})
    assert "more than once (a/, b/)" in error_of(root)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(write(tmp_path / "plain", files), "plain")
    assert "unpack it, or pack it as a zip" in error_of(tmp_path / "x.tar")


def without(files, *parts):
    return {name: data for name, data in files.items() if not any(part in name for part in parts)}


def test_missing_parts_of_a_corpus(tmp_path):
    assert "no validation images (val)" in error_of(write(tmp_path / "a", without(plain_files(), "val/")))
    lacking = without(official_files(), "annotations")
    assert "lacks val/val_annotations.txt" in error_of(write(tmp_path / "b", lacking))
    no_wnids = load(write(tmp_path / "c", without(official_files(), "wnids.txt")))
    assert no_wnids.class_names == WNIDS
    assert "wnids.txt is empty" in error_of(write(tmp_path / "d", official_files() | {"wnids.txt": b"\n"}))


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_class_without_pictures(tmp_path, skip_bad):
    bare = without(official_files(), f"{WNIDS[1]}/images", f"{WNIDS[2]}/images")
    message = error_of(write(tmp_path / "a", bare), skip_bad=skip_bad)
    assert f"no training images of the class '{WNIDS[1]}' (the first of 2 such classes)" in message
    root = write(tmp_path / "b", plain_files())
    (root / "train" / "bird").mkdir()
    assert "no training images of the class 'bird';" in error_of(root, skip_bad=skip_bad)


def annotated(change):
    files = official_files()
    lines = files["val/val_annotations.txt"].decode().splitlines()
    change(lines)
    return files | {"val/val_annotations.txt": ("\n".join(lines) + "\n").encode()}


@pytest.mark.parametrize(
    ("change", "words", "skipped", "left"),
    [
        (lambda x: x.append("val_9.png\tn01443537"), "line 4: the line names 'val_9.png'", "missing image", 3),
        (lambda x: x.append(x[0]), "line 4: 'val_2.png' has an annotation already", "second annotation", 3),
        (lambda x: x.append("val_9.png n01"), "line 4: 'val_9.png n01' is no picture and class", "wrong line", 3),
        (lambda x: x.pop(0), "val/images/val_2.png: val_annotations.txt does not name", "missing annotation", 2),
        (
            lambda x: x.__setitem__(0, "val_2.png\tn09"),
            "val/images/val_2.png: the class 'n09' is none of the 3 classes of wnids.txt",
            "unknown class",
            2,
        ),
    ],
)
def test_faults_of_the_annotations(tmp_path, change, words, skipped, left):
    root = write(tmp_path / "a", annotated(change))
    message = error_of(root)
    assert words in message
    assert "leave this image out and counted with skip_bad" in message
    data = load(root, skip_bad=True)
    assert data.notes["skipped"] == {skipped: 1}
    assert len(data.val_images) == left
    assert load(root, skip_bad=True).notes == data.notes  # from the cache


def test_a_validation_class_that_training_lacks(tmp_path):
    root = write(tmp_path / "a", plain_files() | {"val/cow/x.png": picture()})
    assert "val/cow/x.png: the class 'cow' is none of the 2 classes of training" in error_of(root)
    assert load(root, skip_bad=True).notes["skipped"] == {"unknown class": 1}


@pytest.mark.parametrize(
    ("data", "words", "reason"),
    [
        (b"", "the file is empty", "empty picture"),
        (b"no picture at all", "cannot be decoded as a picture", "not a picture"),
        (picture(5, size=(99, 99))[:-40], "truncated or damaged", "truncated or damaged picture"),
    ],
)
@pytest.mark.parametrize("container", ["folder", "zip"])
def test_an_unreadable_picture_is_named_with_its_path(tmp_path, data, words, reason, container):
    root = write(tmp_path / "a", plain_files() | {"train/cat/a.png": data})
    if container == "zip":
        root = shutil.make_archive(str(tmp_path / "b"), "zip", root)
    message = error_of(root)
    assert "train/cat/a.png" in message
    assert words in message
    kept = load(root, skip_bad=True)
    assert kept.notes["skipped"] == {reason: 1}
    assert kept.labels.tolist() == [0, 1]
    assert reds(kept.images) == pytest.approx([2, 11], abs=2)


def test_all_faults_are_counted_and_the_first_is_named(tmp_path):
    files = annotated(lambda lines: lines.append("val_9.png\tn01443537"))
    files |= {f"train/{wnid}/images/{wnid}_0.png": b"x" for wnid in WNIDS}
    message = error_of(write(tmp_path / "a", files))
    assert f"{WNIDS[0]}_0.png: the file cannot be decoded" in message
    assert "(the first of 4 faults: 3 not a picture, 1 missing image)" in message
    assert "leave such images out" in message


def test_a_class_or_part_that_cannot_be_read_is_an_error_all_the_same(tmp_path):
    root = write(tmp_path / "a", plain_files() | {"train/dog/c.webp": b"x"})
    assert "no training images of the class 'dog'" in error_of(root, skip_bad=True)
    root = write(tmp_path / "b", plain_files() | {"val/dog/e.png": b"x", "val/cat/d.png": b"x"})
    assert "no validation image that can be read" in error_of(root, skip_bad=True)


def test_other_shapes_are_refused():
    images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int64)
    facts = {"class_names": ("a",), "class_titles": ("a",), "corpus": "x"}
    assert ImageFolders(images, labels, images, labels, **facts).side == 8
    with pytest.raises(ValueError, match="2 images but 1 labels"):
        ImageFolders(images, labels[:1], images, labels, **facts)
    with pytest.raises(ValueError, match=r"must be uint8 \(n, side, side, 3\)"):
        ImageFolders(images, labels, images[:, :4], labels, **facts)
