"""Test videos: the frames and their times, the rows of the CSV, and one sentence for each fault."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_lib.backend import keras
from fer_lib.cli import main
from fer_lib.faces.geometry import Detection
from fer_lib.predict import photos, video

RATE = 10  # frames a second


def film(name, levels, shape=(48, 64), code="MJPG"):
    """Write a video of frames that each have one grey level."""
    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*code), RATE, shape[::-1])
    assert writer.isOpened()
    for level in levels:
        writer.write(np.full((*shape, 3), level, np.uint8))
    writer.release()
    return name


@pytest.mark.parametrize(("name", "code"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.MKV", "MJPG")])
@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (0, [number / RATE for number in range(25)]),
        (0.5, [0, 0.5, 1, 1.5, 2]),
        (1, [0, 1, 2]),
        (0.25, [0, 0.3, 0.5, 0.8, 1, 1.3, 1.5, 1.8, 2, 2.3]),
        (0.3, [0.3 * number for number in range(9)]),  # 0.6 // 0.3 is 1
        (100, [0]),
    ],
)
def test_frames_have_their_times(tmp_path, name, code, every, expected):
    film(name, range(0, 250, 10), code=code)
    found = list(video.read(tmp_path / name, every=every))
    assert [one.seconds for one in found] == pytest.approx(expected)
    for one, seconds in zip(found, expected, strict=True):
        assert one.problem is None
        assert one.picture.shape == (48, 64, 3)
        assert one.size == (64, 48)
        assert np.abs(one.picture.mean() - 100 * seconds) < 6  # the frame of that time, 10 levels a frame


def test_colours_are_red_green_blue(tmp_path):
    writer = cv2.VideoWriter("a.avi", cv2.VideoWriter_fourcc(*"MJPG"), RATE, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    (one,) = video.read(tmp_path / "a.avi", every=1)
    assert one.picture[..., 0].mean() > 200 > 50 > one.picture[..., 2].mean()


def only_problem(path):
    *_, last = video.read(path, every=1)
    assert last.picture is None
    assert "\n" not in last.problem
    return last.problem


def test_faults_are_one_sentence(tmp_path):
    assert "no such file" in only_problem(tmp_path / "none.mp4")
    (tmp_path / "page.mp4").write_bytes(b"<html>" * 100)
    assert "cannot be decoded" in only_problem(tmp_path / "page.mp4")
    (tmp_path / "empty.mp4").touch()
    assert "cannot be decoded" in only_problem(tmp_path / "empty.mp4")
    film("whole.mp4", range(25), code="mp4v")
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:10,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    assert "cannot be decoded" in only_problem(tmp_path / "list.mp4")
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert "cannot be decoded" in only_problem(tmp_path / "cut.mp4")
    film("whole.avi", range(25), shape=(240, 320))
    whole = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    assert "of its 25 frames can be read" in only_problem(tmp_path / "cut.avi")
    assert all(one.problem is None for one in video.read(tmp_path / "whole.avi", every=0))
    assert "OPENCV_FFMPEG_LOGLEVEL" not in os.environ


def test_frames_of_an_unusual_size_are_refused(tmp_path, monkeypatch):
    film("a.avi", [1, 2])
    monkeypatch.setattr(video, "PIXEL_LIMIT", 1000)
    assert "64 x 48 pixels" in only_problem(tmp_path / "a.avi")


@pytest.fixture
def model(tmp_path):
    """A network of two classes that tells dark from bright pictures."""
    face = keras.Input((8, 8, 1))
    last = keras.layers.Dense(2, activation="softmax")
    network = keras.Model(face, last(keras.layers.GlobalAveragePooling2D()(face)))
    last.set_weights([np.array([[-20.0, 20.0]]), np.array([10.0, -10.0])])
    network.save(tmp_path / "mine.keras")
    return ["--model", "mine.keras", "--classes", "dark,bright"]


def rows_of(name):
    with open(name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_video_becomes_a_csv_with_a_row_each_half_second(model, capsys):
    film("clip.mp4", [20] * 10 + [230] * 15, code="mp4v")
    asked = ["predict", "clip.mp4", "--every", "0.5", "--csv", "out.csv", "--already-cropped", *model]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = rows_of("out.csv")
    assert [(row["file"], row["seconds"], row["label"]) for row in rows] == [
        ("clip.mp4", "0.0", "dark"),
        ("clip.mp4", "0.5", "dark"),
        ("clip.mp4", "1.0", "bright"),
        ("clip.mp4", "1.5", "bright"),
        ("clip.mp4", "2.0", "bright"),
    ]
    for row in rows:
        assert float(row["score"]) == max(float(row["score_dark"]), float(row["score_bright"]))
        assert float(row["score_dark"]) + float(row["score_bright"]) == pytest.approx(1)
        assert (row["outcome"], row["left"], row["problem"]) == ("given as a crop", "", "")
    assert [line.split()[:2] for line in out.splitlines()[2:7]] == [
        ["clip.mp4", f"{seconds:.3f}"] for seconds in (0, 0.5, 1, 1.5, 2)
    ]
    assert main([*asked, "--json"]) == 0
    assert [one["seconds"] for one in json.loads(capsys.readouterr().out)] == [0, 0.5, 1, 1.5, 2]


def test_photos_and_videos_share_a_csv(model, capsys):
    film("clip.avi", [230] * 12)
    Image.fromarray(np.full((40, 40), 20, np.uint8)).save("a.png")
    assert main(["predict", "a.png", "clip.avi", "gone.jpg", "--csv", "o.csv", "--already-cropped", *model]) == 2
    found = [(row["file"], row["seconds"], row["label"]) for row in rows_of("o.csv")]
    assert found == [
        ("a.png", "", "dark"),
        ("clip.avi", "0.0", "bright"),
        ("clip.avi", "1.0", "bright"),
        ("gone.jpg", "", ""),
    ]
    assert rows_of("o.csv")[-1]["problem"].startswith("gone.jpg: no such file")


def test_frames_without_a_face_are_counted_and_not_listed(model, capsys, monkeypatch):
    def detect(images, settings):
        point = (10.0, 10.0)
        face = Detection((4.0, 4.0, 20.0, 20.0), 0.99, point, (20.0, 10.0), (15.0, 15.0), (10.0, 20.0), (20.0, 20.0))
        return [[face] if image.mean() > 128 else [] for image in images]

    monkeypatch.setattr(photos, "detect", detect)
    film("clip.avi", [20] * 10 + [230] * 11)
    assert main(["predict", "clip.avi", "--csv", "o.csv", *model]) == 0
    assert capsys.readouterr().err == "fer-lib: clip.avi: no sure face in 1 of 3 frames.\n"
    first, *_, last = rows_of("o.csv")
    assert (first["outcome"], first["label"], first["seconds"]) == ("no face", "", "0.0")
    assert "clip.avi at 0 s: no face was found" in first["problem"]
    assert (last["outcome"], last["left"], last["width"]) == ("found", "4.0", "20.0")
    film("dark.avi", [20] * 10)
    assert main(["predict", "dark.avi", *model]) == 1
    assert capsys.readouterr().err == "fer-lib: dark.avi: no sure face in 1 of 1 frames.\n"


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        (["a.png"], ["--every", "1"], "none of the files is a video"),
        (["clip.avi"], ["--every", "-1"], "Found --every -1"),
        (["clip.avi"], ["--every", "nan"], "Found --every nan"),
        (["clip.avi"], ["--every", "inf"], "Found --every inf"),
        (["clip.avi"], ["--annotate", "drawn"], "only photos are drawn"),
        (["clip.avi"], ["--csv", "./clip.avi"], "one of the photos"),
        (["a.png"], ["--csv", "a.png"], "one of the photos"),
        (["a.png"], ["--csv", "."], "which is a folder"),
    ],
)
def test_options_that_do_not_fit(model, capsys, files, options, words):
    film("clip.avi", [1])
    Image.fromarray(np.full((40, 40), 20, np.uint8)).save("a.png")
    assert main(["predict", *files, *options, *model]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert not os.path.exists("drawn")


def test_a_damaged_video_does_not_stop_the_others_and_says_nothing_else(model, tmp_path):
    film("whole.avi", [230] * 12, shape=(240, 320))
    whole = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    with open("bad.mp4", "wb") as file:
        file.write(b"<html>" * 100)
    asked = ["predict", "bad.mp4", "whole.avi", "cut.avi", "--already-cropped", *model]
    done = subprocess.run([sys.executable, "-m", "fer_lib.cli", *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("fer-lib: error: bad.mp4: the video cannot be decoded")
    assert "fer-lib: error: cut.avi: only " in done.stderr
    assert done.stderr.count("\n") == 2
    assert "whole.avi" in done.stdout
