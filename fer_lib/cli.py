"""Command line ``fer-lib``: a thin layer over the library.

Exit status: 0 on success, 1 if ``predict`` found no sure face in a photo or ``compare`` found a difference, 2 for an
error that the user can fix (one sentence on stderr), 130 when interrupted. Each command imports its slow packages
itself, so that ``fer-lib --help`` answers at once.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fer_lib import __version__
from fer_lib.datasets.catalog import TERMS, TITLES
from fer_lib.errors import FerError

MISSED = 1
DIFFERENT = 1
USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; argparse's own errors raise SystemExit with status 2."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="fer-lib: %(message)s", level=logging.WARNING)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
    except FerError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader (head, less) has closed the pipe: print nothing more, not even at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}; check that the path exists and is readable and writable.")
    except KeyboardInterrupt:
        sys.stderr.write("fer-lib: interrupted.\n")
        return INTERRUPTED
    return status or 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"fer-lib: error: {sentence}\n")
    return USER_ERROR


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer-lib", description="Tools for the replication of two papers on facial expression recognition."
    )
    parser.add_argument("--version", action="version", version=f"fer-lib {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_data(commands)
    _add_predict(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_models(commands)
    _add_runs(commands)
    _add_audit(commands)
    _add_compare(commands)
    _add_weights(commands)
    return parser


def _add_data(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser(
        "data", help="fetch, check or generate the corpora", description="Fetch, check or generate the four corpora."
    )
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)

    fetch = _command(actions, "fetch", _data_fetch, "download a corpus and verify it")
    fetch.add_argument("corpus", metavar="CORPUS", help="fer2013, genki4k or olivetti (ckplus: prints how to get it)")
    fetch.add_argument("--to", metavar="FOLDER", default="data", help="the data folder (default: %(default)s)")

    check = _command(actions, "check", _data_check, "read and summarise a corpus, or all corpora of a data folder")
    check.add_argument("path", metavar="PATH", help="a corpus (file, archive or folder) or a data folder")
    check.add_argument("--skip-bad", action="store_true", help="leave faulty images out and count them")
    check.add_argument("--no-cache", action="store_true", help="neither read nor write the parse cache")

    synth = _command(actions, "synth", _data_synth, "write generated (SYNTHETIC) faces in a corpus' own format")
    synth.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    synth.add_argument("--corpus", choices=tuple(TITLES), default="fer2013", help="default: %(default)s")
    synth.add_argument("--faces", metavar="N", type=int, help="faces in all (default: 700 of fer2013, 200 of genki4k)")
    synth.add_argument("--seed", metavar="S", type=int, default=0, help="default: %(default)s")
    synth.add_argument(
        "--layout",
        choices=("csv", "icml", "folders", "official", "48x48"),
        help="of fer2013: csv (default), icml or folders; of ckplus: official (default) or 48x48",
    )


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = _command(commands, "predict", _predict, "find the faces in photos and predict their expressions")
    predict.add_argument("photos", metavar="PHOTO", nargs="+", help="a photo, a folder with photos, or a video")
    predict.add_argument("--recursive", action="store_true", help="search subfolders, too, but no links to folders")
    _add_model(predict)
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


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        metavar="MODEL",
        help="a model's folder or .keras file (default: the first one that `fer-lib models` lists)",
    )
    _add_reading(command)


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--classes",
        metavar="NAMES",
        help="the classes of a .keras file in the order of its outputs, with commas: angry,disgust,fear,happy,neutral,"
        "sad,surprise (anger, disgusted, fearful and so on are understood)",
    )
    command.add_argument(
        "--scaling",
        choices=("unit", "symmetric", "trunk", "raw"),
        help="pixels of a .keras file: unit (0 to 1), symmetric (-1 to 1), trunk (ImageNet's means subtracted) or raw "
        "(0 to 255); default: as its card or its first layers say, else unit",
    )


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = _command(commands, "evaluate", _evaluate, "score a model on labelled faces of your own")
    evaluate.add_argument(
        "path",
        metavar="PATH",
        help="a folder with a folder of pictures for each class, or FER-2013 in any form: a CSV, an archive or folders",
    )
    _add_model(evaluate)
    evaluate.add_argument(
        "--split", metavar="NAME", help="the part of FER-2013, or all (default: the test part, or all if there is none)"
    )
    evaluate.add_argument(
        "--find-faces",
        action="store_true",
        help="search the pictures in the class folders for faces (default: each whole picture is a face crop)",
    )
    evaluate.add_argument("--skip-bad", action="store_true", help="leave faulty faces of FER-2013 out")
    evaluate.add_argument("--json", action="store_true", help="print the same as a JSON object")
    evaluate.epilog = (
        "Prints categorical and binary accuracy (Keras' BinaryAccuracy), macro F1, balanced accuracy, the recall of "
        "each class and the confusion matrix, with 95 % intervals. Exit status: 0 if every picture has an answer; 1 if "
        "a picture shows no sure face (--find-faces); 2 for an error, or a picture that cannot be read; the others are "
        "scored in any case."
    )


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = _command(
        commands, "export", _export, "export a network to ONNX, LiteRT or OpenVINO, and check its answers"
    )
    export.add_argument("network", metavar="MODEL", help="a .keras file of a network with a score for each class")
    export.add_argument("--to", required=True, choices=("onnx", "litert", "openvino"), help="the format")
    export.add_argument(
        "--out", metavar="FILE", help="the file to write: .onnx, .tflite or .xml (default: MODEL's name in this folder)"
    )
    _add_reading(export)
    export.epilog = (
        "Nothing is written unless all scores of the network and of its export agree to 1e-5. The card FILE.json next "
        "to it has the classes in order, the scaling of the pixels and where the network comes from."
    )


def _add_models(commands: argparse._SubParsersAction) -> None:
    models = _command(commands, "models", _models, "list the trained models in the results folders, with their scores")
    models.add_argument("--json", action="store_true", help="print the same as a JSON list, the default first")
    models.epilog = (
        "Models are under results/*/models and results/reference/*/models, in $FER_OUTPUT or the current folder. The "
        "first one is the default of `fer-lib predict`; docs/using.md has the rule."
    )


def _add_runs(commands: argparse._SubParsersAction) -> None:
    runs = _command(commands, "runs", _runs, "list the results folders with profile, commit, seeds and headline scores")
    runs.add_argument("--json", action="store_true", help="print the same as a JSON list")
    runs.epilog = (
        "Results are in the folders of results and results/reference, in $FER_OUTPUT or the current folder. Results "
        "that no provenance file lists, or that have changed since, have no score here."
    )


def _add_audit(commands: argparse._SubParsersAction) -> None:
    audit = _command(commands, "audit", _audit, "check whether published numbers are possible")
    audit.add_argument(
        "papers",
        metavar="PAPER",
        nargs="*",
        help="chen2023, liu2023, or a YAML file of a paper's numbers (docs/audit.md); default: both papers",
    )
    audit.add_argument(
        "--results",
        metavar="FOLDER",
        help="results of a profile to compare with (default: the most complete ones under results/)",
    )
    audit.add_argument("--json", action="store_true", help="print a JSON list of every finding")


def _add_compare(commands: argparse._SubParsersAction) -> None:
    compare = _command(
        commands, "compare", _compare, "compare two folders of results, such as yours with the reference"
    )
    compare.add_argument(
        "first", metavar="A", help="results of a profile, such as results/paper, or a folder with results and figures"
    )
    compare.add_argument("second", metavar="B", help="the other folder, such as results/reference/paper")
    compare.add_argument(
        "--rtol", metavar="R", type=float, default=0.0, help="relative tolerance for numbers (default: %(default)s)"
    )
    compare.add_argument(
        "--within-intervals",
        action="store_true",
        help="accept estimates that lie within each other's 95 %% intervals",
    )
    compare.add_argument(
        "--numbers-only", action="store_true", help="accept different wording if the numbers are the same"
    )
    compare.add_argument("--json", action="store_true", help="print the differences as JSON")
    compare.epilog = (
        "Tables, metrics, histories and predictions are compared value by value, figures pixel by pixel; provenance "
        "and measured times are left out. Exit status: 0 if nothing differs, 1 if something does, 2 for an error."
    )


def _add_weights(commands: argparse._SubParsersAction) -> None:
    weights = _command(commands, "weights", _weights, "tell what a weights file is, and which pixels it expects")
    weights.add_argument("file", metavar="FILE", help="a .weights.h5, .h5 or .keras file")
    weights.add_argument("--json", action="store_true", help="print the same, and the whole card, as JSON")
    weights.epilog = (
        "The card of X.weights.h5 is X.weights.json next to it: recipe, data, accuracy and the pixels that the weights "
        "expect. A damaged card, or one of other weights, is an error (exit status 2)."
    )


def _command(
    actions: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], int | None], help_text: str
) -> argparse.ArgumentParser:
    command = actions.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    command.set_defaults(run=run)
    return command


def _data_fetch(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.fetch import fetch

    fetched = fetch(arguments.corpus, arguments.to)
    done = "Fetched" if fetched.downloaded else "Already there:"
    checked = "every file matches the manifest" if fetched.verified else "the manifest does not cover this release"
    said = [f"{done} {fetched.path}."] if fetched.remarks else [f"{done} {fetched.path}; {checked}."]
    _say(*said, *fetched.remarks, f"Next: fer-lib data check {fetched.path}", TERMS[arguments.corpus])


def _data_check(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.check import report

    lines, error = report(arguments.path, skip_bad=arguments.skip_bad, cache=not arguments.no_cache)
    _say(*lines)
    if error is not None:
        raise error


def _data_synth(arguments: argparse.Namespace) -> None:
    from fer_lib.datasets.readers.locate import MARKER
    from fer_lib.datasets.synthetic import writers

    layouts = {"fer2013": ("csv", "icml", "folders"), "ckplus": ("official", "48x48")}.get(arguments.corpus, (None,))
    layout = arguments.layout or layouts[0]
    if layout not in layouts:
        known = f"its layouts are {', '.join(layouts)}" if layouts[0] else "it has only one layout"
        raise FerError(
            f"--layout {layout} does not fit {arguments.corpus}; {known}. Leave the option out or name another layout."
        )
    if arguments.faces is not None and arguments.corpus in ("ckplus", "olivetti"):
        raise FerError(f"Found --faces for {arguments.corpus}, whose generated size is fixed; leave the option out.")
    by_layout: dict[str | None, Callable[..., Path]] = {
        "csv": writers.write_fer2013_csv,
        "icml": functools.partial(writers.write_fer2013_csv, icml=True),
        "folders": writers.write_fer2013_folders,
        "official": writers.write_ckplus,
        "48x48": writers.write_ckplus48,
    }
    by_corpus: dict[str, Callable[..., Path]] = {"genki4k": writers.write_genki4k, "olivetti": writers.write_olivetti}
    write = by_layout.get(layout) or by_corpus[arguments.corpus]
    default = {"fer2013": {"n": 700}, "genki4k": {"n": 200}}.get(arguments.corpus, {})
    sizes = default if arguments.faces is None else {"n": arguments.faces}
    path = write(arguments.folder, seed=arguments.seed, **sizes)
    count = f"{sizes['n']:,} SYNTHETIC faces" if sizes else f"SYNTHETIC {arguments.corpus}"
    few = "Too few faces for the profiles quick and paper, which need 70 of each class; smoke generates its own."
    _say(
        f"Wrote {count}: {path}",
        *([few] if arguments.corpus == "ckplus" else []),
        f"Keep {MARKER} with them: it tells them from real faces.",
        f"Next: fer-lib data check {path}",
    )


def _predict(arguments: argparse.Namespace) -> int:
    from fer_lib.predict import networks, photo_files, photos as prediction, shelf

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
    from fer_lib.predict import (
        models as saved_models,  # imported late: Keras takes seconds, and the errors above do not need it
    )

    model = saved_models.load(path, classes=arguments.classes, scaling=arguments.scaling)
    asked = {"all_faces": arguments.all_faces, "already_cropped": cropped, "every": every}
    done = []
    try:
        for one in prediction.predict_photos(model, photos, drawings=drawings, progress=True, **asked):
            done.append(one)
    finally:  # an interrupted run prints the photos that it has finished
        if arguments.json:
            _say(prediction.json_text(done, model, path))
        elif done:
            _say(*prediction.table(done, model, path))
        sys.stdout.flush()
        if arguments.csv:
            prediction.write_csv(done, model, arguments.csv)
        sys.stderr.write("".join(f"fer-lib: {sentence}\n" for sentence in prediction.problems(done)))
    return USER_ERROR if any(one.failed for one in done) else MISSED if prediction.unanswered(done) else 0


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
    from fer_lib.predict import evaluation, labelled, models as saved_models

    model = saved_models.load(path, classes=arguments.classes, scaling=arguments.scaling)
    asked = {"split": arguments.split, "search": arguments.find_faces, "skip_bad": arguments.skip_bad}
    data = labelled.read(arguments.path, model.class_names, **asked)
    found = evaluation.evaluate(model, data)
    if arguments.json:
        _say(evaluation.json_text(found, model, path, data))
    else:
        _say(*evaluation.report(found, model, path, data))
    sys.stdout.flush()
    for one in found.without:
        sys.stderr.write(f"fer-lib: {'error: ' if one.failed else ''}{one.problem}\n")
    return USER_ERROR if any(one.failed for one in found.without) else MISSED if found.without else 0


def _export(arguments: argparse.Namespace) -> None:
    from fer_lib.predict import export, networks

    target = export.check_request(arguments.to, arguments.network, arguments.out)
    if arguments.classes is not None:
        networks.class_names(arguments.classes)
    from fer_lib.predict import models as saved_models  # imported late: Keras takes seconds

    model = saved_models.load(arguments.network, classes=arguments.classes, scaling=arguments.scaling)
    done = export.export(model, arguments.network, arguments.to, target)
    _say(
        f"Wrote {', '.join(map(str, done.files))}.",
        f"Checked: {done.faces} faces get the same scores from both; the largest difference is {done.difference:.1e}.",
        *networks.notes(model.class_names, model.reading, model.image_size),
    )


def _models(arguments: argparse.Namespace) -> None:
    from fer_lib.predict import shelf

    found = shelf.list_models()
    if arguments.json:
        _say(json.dumps([one.plain() for one in found], indent=2))
    elif found:
        _say(*shelf.table(found))
    else:
        _say("There is no model under results/*/models yet; notebooks 04, 05 and 07 save some (`make replicate`).")


def _runs(arguments: argparse.Namespace) -> None:
    from fer_lib.report import runs

    found = runs.list_results()
    if arguments.json:
        _say(json.dumps([one.plain() for one in found], indent=2))
    elif found:
        _say(*runs.report(found))
    else:
        _say("There are no results under results yet; `make replicate` writes some.")


def _audit(arguments: argparse.Namespace) -> None:
    from fer_lib import published
    from fer_lib.audit import engine
    from fer_lib.published.reading import read
    from fer_lib.report import audit as audit_report

    if arguments.results and not os.path.isdir(arguments.results):
        raise FerError(f"No such folder: {arguments.results}; name the results of a profile, such as results/quick.")
    names = arguments.papers or published.papers()
    files = {name: os.path.exists(name) or name.lower().endswith((".yaml", ".yml")) for name in names}
    records = [read(name) if is_file else published.record(name) for name, is_file in files.items()]
    every = []
    for record in records:
        if arguments.json:
            every += [{"paper": record.paper, **vars(finding)} for finding in engine.audit(record)]
            continue
        root = os.path.join(os.path.expanduser(os.environ.get("FER_OUTPUT", "")), "results")
        if arguments.results:
            results = audit_report.load_results(arguments.results)
            profile = arguments.results if results else ""
        else:
            profile, results = audit_report.choose_results(record, root)
        width = min(120, shutil.get_terminal_size((100, 24)).columns)
        _say(*audit_report.terminal_lines(audit_report.of(record, results), width=width))
        if record.measured:
            _say("", f"Measured: {profile or f'nothing under {arguments.results or root} yet'}.")
    if arguments.json:
        _say(json.dumps(every, indent=2))  # in ASCII, whatever a user's record contains


def _compare(arguments: argparse.Namespace) -> int:
    from fer_lib.report.compare import compare

    found = compare(arguments.first, arguments.second, rtol=arguments.rtol)
    failing = found.failing(numbers_only=arguments.numbers_only, within_intervals=arguments.within_intervals)
    if arguments.json:
        _say(json.dumps(found.as_json(), indent=2))
    else:
        _say(*(f"{one.name}: {one.kind}: {one.text}" for one in found.differences), found.summary())
    return DIFFERENT if failing else 0


def _weights(arguments: argparse.Namespace) -> None:
    from fer_lib.models import weights_report

    if arguments.json:
        _say(json.dumps(weights_report.describe(arguments.file), indent=2))
    else:
        _say(*weights_report.report(arguments.file))


if __name__ == "__main__":
    sys.exit(main())
