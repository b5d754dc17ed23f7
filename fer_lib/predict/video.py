"""Read frames of a video at a distance of some seconds, with OpenCV; a damaged video gives a sentence, no traceback."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from fer_lib.datasets.readers.pictures import PIXEL_LIMIT, SHORTEST_SIDE
from fer_lib.predict.photo_files import Photo, in_memory, shown

#: Suffixes, in lower case, of the files that are taken for videos.
SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp", ".mts")
#: Only files are opened, whatever a playlist in the video names; the decoder's own messages are not shown.
_OPTIONS = {"OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
_WHOLE = 0.9  # a video with fewer of its frames than this is damaged; containers often round the number a little


def is_video(path: str | Path) -> bool:
    """Tell by its suffix whether a file is a video."""
    return str(path).lower().endswith(SUFFIXES)


def read(path: Path, *, every: float) -> Iterator[Photo]:
    """Read a video's frames as photos with their time in ``seconds``: the first one, then one each ``every`` seconds.

    Args:
        path: the file.
        every: seconds between the frames that are read, at least; 0 reads every frame.

    Yields:
        The frames; at the end one without a picture and with a ``problem`` if the video cannot be read, or not whole.
    """
    if not path.is_file():
        yield Photo(path, problem=f"{shown(path)}: no such file; check the path.")
        return
    with _opened(path) as capture:
        if problem := _problem(capture, path):
            yield Photo(path, problem=problem)
            return
        stated, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        number, wanted, before = 0, 0.0, -1.0
        while capture.grab():
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if seconds <= before:  # a container without times
                seconds = number / rate if rate > 0 else float(number)
            number, before = number + 1, max(before, seconds)
            if seconds < wanted - 1e-6:
                continue
            sound, frame = capture.retrieve()
            if not sound or frame is None:
                break
            yield in_memory(path, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), seconds=round(seconds, 3))
            wanted = (math.floor(seconds / every + 1e-6) + 1) * every if every else seconds
    if number < _WHOLE * stated or not number:
        frames = f"{number} of its {stated:.0f} frames" if number and stated > 0 else "none of its frames"
        yield Photo(
            path, problem=f"{shown(path)}: only {frames} can be read, because the video is damaged; copy it again."
        )


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """Open a video without network and without the decoder's messages on stderr; close it at the end."""
    before, level = {name: os.environ.get(name) for name in _OPTIONS}, cv2.utils.logging.getLogLevel()
    os.environ.update(_OPTIONS)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    try:
        yield capture
    finally:
        capture.release()


def _problem(capture: cv2.VideoCapture, path: Path) -> str | None:
    if not capture.isOpened():
        return (
            f"{shown(path)}: the video cannot be decoded (no video, damaged, or of a kind that OpenCV does not know); "
            "save it as MP4 (H.264) with another program."
        )
    width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > PIXEL_LIMIT or min(width, height) < SHORTEST_SIDE:
        return (
            f"{shown(path)}: its frames have {width:,} x {height:,} pixels; expected {SHORTEST_SIDE} or more on each "
            f"side, and at most {PIXEL_LIMIT // 1_000_000} megapixels: save it in another size."
        )
    return None
