"""``fer-lib predict`` and ``evaluate``: the answers of a model, and how often they are right."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fer_lib.cli.common import MISSED, USER_ERROR, add_model, command, say
from fer_lib.errors import FerError


def add(commands: argparse._SubParsersAction) -> None:
    """Add both commands."""
    _add_predict(commands)
    _add_evaluate(commands)


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = command(commands, "predict", _predict, "find the faces in photos and predict their expressions")
    predict.add_argument("photos", metavar="PHOTO", nargs="+", help="a photo, a folder with photos, or a video")
    predict.add_argument("--recursive", action="store_true", help="search subfolders, too, but no links to folders")
    add_model(predict)
    predict.add_argument("--json", action="store_true", help="print a JSON list with the scores of all classes")
    predict.add_argument("--csv", metavar="FILE", help="also write a CSV with the scores of all classes")
    predict.add_argument(
        "--every",
        metavar="SECONDS",
        type=float,
        help="seconds between the frames of a video that are classified; 0 takes every frame (default: 1)",
    )
    predict.add_argument(
        "--annotate", metavar="FOLDER", help="also save each photo as PNG with boxes, landmarks and labels"
    )
    predict.add_argument(
        "--already-cropped",
        action="store_true",
        help="the photos are face crops: never search for faces, the whole photo is the face",
    )
    predict.add_argument("--whole-image", action="store_true", help="former name of --already-cropped")
    predict.add_argument("--all-faces", action="store_true", help="classify every sure face, not only the largest")
    predict.epilog = (
        "MTCNN finds the faces, with the settings that the model was trained with. A face is sure if MTCNN's "
        "confidence reaches their threshold. Every picture in a folder is answered or named. Exit status: 0 if every "
        "photo has an answer; 1 if a photo, or a whole video, shows no sure face (reported on stderr); 2 for an "
        "error: a photo that cannot be read, or no model that can be used. The other photos are classified and printed "
        "in any case."
    )


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = command(commands, "evaluate", _evaluate, "score a model on labelled faces of your own")
    evaluate.add_argument(
        "path",
        metavar="PATH",
        help="a folder with a folder of pictures for each class, or FER-2013 or face crops of CK+ in any form: a CSV, "
        "an archive or folders",
    )
    add_model(evaluate)
    evaluate.add_argument(
        "--split", metavar="NAME", help="the part of FER-2013, or all (default: the test part, or all if there is none)"
    )
    evaluate.add_argument(
        "--find-faces",
        action="store_true",
        help="search the pictures in the class folders for faces (default: each whole picture is a face crop)",
    )
    evaluate.add_argument("--skip-bad", action="store_true", help="leave faulty faces of the corpus out")
    evaluate.add_argument("--json", action="store_true", help="print the same as a JSON object")
    evaluate.epilog = (
        "Prints categorical and binary accuracy (Keras' BinaryAccuracy), macro F1, balanced accuracy, the recall of "
        "each class and the confusion matrix, with 95 % intervals. Exit status: 0 if every picture has an answer; 1 if "
        "a picture shows no sure face (--find-faces); 2 for an error, or a picture that cannot be read; the others are "
        "scored in any case."
    )


def _predict(arguments: argparse.Namespace) -> int:
    from fer_lib.predict import answers, networks, photo_files, photos as prediction, shelf

    cropped = arguments.already_cropped or arguments.whole_image
    if cropped and arguments.all_faces:
        raise FerError("Found --all-faces with --already-cropped, which searches no faces; leave one of them out.")
    photos = photo_files.find_photos(arguments.photos, recursive=arguments.recursive)
    every = _every(arguments, photos)
    if arguments.classes is not None:
        networks.class_names(arguments.classes)
    searched = [Path(name) for name in arguments.photos if os.path.isdir(name)] if arguments.recursive else []
    drawings = None
    if arguments.annotate:
        drawings = prediction.drawing_files(photos, arguments.annotate, searched=searched)
    path = arguments.model or shelf.find_model()
    if arguments.whole_image:
        sys.stderr.write("fer-lib: --whole-image is now --already-cropped: no photo is searched for faces.\n")
    from fer_lib.predict import packaged  # imported late: the errors above do not need it

    model = packaged.load(path, classes=arguments.classes, scaling=arguments.scaling)
    asked = {"all_faces": arguments.all_faces, "already_cropped": cropped, "every": every}
    done = []
    try:
        for one in prediction.predict_photos(model, photos, drawings=drawings, progress=True, **asked):
            done.append(one)
    finally:  # an interrupted run prints the photos that it has finished
        if arguments.json:
            say(answers.json_text(done, model, path))
        elif done:
            say(*answers.table(done, model, path))
        sys.stdout.flush()
        if arguments.csv and done:  # an earlier table is not replaced by a heading alone
            answers.write_csv(done, model, arguments.csv)
        sys.stderr.write("".join(f"fer-lib: {sentence}\n" for sentence in answers.problems(done)))
    return USER_ERROR if any(one.failed for one in done) else MISSED if answers.unanswered(done) else 0


def _every(arguments: argparse.Namespace, photos: Sequence[Path]) -> float:
    """Check the options that concern videos and the CSV; return the seconds between frames."""
    from fer_lib.predict import video

    clip = next((path for path in photos if video.is_video(path)), None)
    every = 1.0 if arguments.every is None else arguments.every
    if clip is None and arguments.every is not None:
        raise FerError(f"Found --every, but none of the files is a video ({', '.join(video.SUFFIXES)}); leave it out.")
    if clip is not None and arguments.annotate:
        raise FerError(f"Found --annotate with the video {clip}; only photos are drawn: leave the option out.")
    if not 0 <= every < math.inf:
        raise FerError(f"Found --every {every:g}; expected seconds between frames, such as 0.5, or 0 for every frame.")
    if arguments.csv and Path(arguments.csv).resolve() in [path.resolve() for path in photos]:
        raise FerError(f"Found --csv {arguments.csv}, which is one of the photos; name another file.")
    if arguments.csv and os.path.isdir(arguments.csv):
        raise FerError(f"Found --csv {arguments.csv}, which is a folder; name a file.")
    return every


def _evaluate(arguments: argparse.Namespace) -> int:
    from fer_lib.predict import networks, shelf

    if not os.path.exists(os.path.expanduser(arguments.path)):
        raise FerError(f"No such file or folder: {arguments.path}; check the path.")
    if arguments.classes is not None:
        networks.class_names(arguments.classes)
    path = arguments.model or shelf.find_model()
    # imported late: Keras takes seconds, and the errors above do not need it
    from fer_lib.predict import evaluation, labelled, packaged

    model = packaged.load(path, classes=arguments.classes, scaling=arguments.scaling)
    asked = {"split": arguments.split, "search": arguments.find_faces, "skip_bad": arguments.skip_bad}
    data = labelled.read(arguments.path, model.class_names, **asked)
    found = evaluation.evaluate(model, data)
    if arguments.json:
        say(evaluation.json_text(found, model, path, data))
    else:
        say(*evaluation.report(found, model, path, data))
    sys.stdout.flush()
    for one in found.without:
        sys.stderr.write(f"fer-lib: {'error: ' if one.failed else ''}{one.problem}\n")
    return USER_ERROR if any(one.failed for one in found.without) else MISSED if found.without else 0
