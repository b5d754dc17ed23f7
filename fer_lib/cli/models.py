"""``fer-lib models``, ``train``, ``export`` and ``weights``: the trained models and their files."""

from __future__ import annotations

import argparse
import json
import logging

from fer_lib.cli.common import add_reading, command, say, say_list


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands on models."""
    _add_models(commands)
    _add_train(commands)
    _add_export(commands)
    _add_weights(commands)


def _add_models(commands: argparse._SubParsersAction) -> None:
    models = command(commands, "models", _models, "list the trained models of this folder, with their scores")
    models.add_argument("--json", action="store_true", help="print the same as a JSON list, the default first")
    models.epilog = (
        "Models are under results/*/models and results/reference/*/models, in $FER_OUTPUT or the current folder, and "
        "the folders there that `fer-lib train` wrote. The first one is the default of `fer-lib predict`; "
        "docs/using.md has the rule."
    )


def _add_train(commands: argparse._SubParsersAction) -> None:
    train = command(commands, "train", _train, "train a network on labelled faces of your own")
    train.add_argument(
        "path",
        metavar="PATH",
        help="a folder with a folder of pictures for each class, or a corpus in any form that `fer-lib data "
        "check` reads",
    )
    train.add_argument(
        "--network",
        choices=("resnet50_modern", "baseline_cnn"),
        default="resnet50_modern",
        help="resnet50_modern (default; a GPU, or patience) or baseline_cnn, which is small",
    )
    train.add_argument(
        "--weights",
        metavar="W",
        help="where resnet50_modern starts: imagenet (default), none, or a weights file (.h5, .weights.h5 or .keras)",
    )
    train.add_argument("--epochs", metavar="N", type=int, help="passes over the faces (default: 30)")
    train.add_argument("--size", metavar="PIXELS", type=int, help="side of the faces (default: 96, baseline_cnn: 48)")
    train.add_argument(
        "--validation",
        metavar="SHARE",
        type=float,
        default=0.2,
        help="share of the faces that is held out to score the network; 0 holds none out (default: %(default)s)",
    )
    train.add_argument("--seed", metavar="S", type=int, default=0, help="default: %(default)s")
    train.add_argument(
        "--out", metavar="FOLDER", default="own_model", help="the model's folder, new or empty (default: %(default)s)"
    )
    train.add_argument(
        "--find-faces",
        action="store_true",
        help="search the pictures in the class folders for faces (default: each whole picture is a face crop)",
    )
    train.add_argument("--skip-bad", action="store_true", help="leave out pictures that cannot be read, and count them")
    train.epilog = (
        "The recipe is that of the comparator resnet50_modern. After a kill, the same command continues at the last "
        "whole epoch. FOLDER then contains network.keras and model.json; give it to predict, evaluate and export as "
        "--model FOLDER. Pictures that are equal, and those of one subject where the corpus names subjects, are either "
        "all held out or all learnt from."
    )


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = command(commands, "export", _export, "export a network to ONNX, LiteRT or OpenVINO, and check its answers")
    export.add_argument(
        "network",
        metavar="MODEL",
        help="a network with a score for each class: a .keras file or its folder",
    )
    export.add_argument("--to", required=True, choices=("onnx", "litert", "openvino"), help="the format")
    export.add_argument(
        "--out", metavar="FILE", help="the file to write: .onnx, .tflite or .xml (default: MODEL's name in this folder)"
    )
    add_reading(export)
    export.epilog = (
        "Nothing is written unless all scores of the network and of its export agree to 1e-5. The card FILE.json next "
        "to it has the classes in order, the scaling of the pixels and where the network comes from."
    )


def _add_weights(commands: argparse._SubParsersAction) -> None:
    weights = command(commands, "weights", _weights, "tell what a weights file is, and which pixels it expects")
    weights.add_argument("file", metavar="FILE", help="a .weights.h5, .h5 or .keras file")
    weights.add_argument("--json", action="store_true", help="print the same, and the whole card, as JSON")
    weights.epilog = (
        "The card of X.weights.h5 is X.weights.json next to it: recipe, data, accuracy and the pixels that the weights "
        "expect. A damaged card, or one of other weights, is an error (exit status 2)."
    )


def _models(arguments: argparse.Namespace) -> None:
    from fer_lib.predict import shelf

    nothing = (
        "There is no model under results/*/models yet, and none of `fer-lib train` in this folder; notebooks 04, 05 "
        "and 07 save some (`make replicate`)."
    )
    say_list(shelf.list_models(), arguments.json, shelf.table, nothing)


def _train(arguments: argparse.Namespace) -> None:
    from fer_lib.predict import training_request

    request = training_request.checked(
        arguments.network,
        epochs=arguments.epochs,
        image_size=arguments.size,
        validation=arguments.validation,
        seed=arguments.seed,
        weights=arguments.weights,
    )
    folder = training_request.model_folder(arguments.out, arguments.path)
    from fer_lib.predict import training_faces

    faces = training_faces.read(
        arguments.path, size=request.image_size, search=arguments.find_faces, skip_bad=arguments.skip_bad
    )
    from fer_lib.predict import own_training  # imported late: Keras takes seconds, and the errors above do not need it

    logging.getLogger("fer_lib").setLevel(logging.INFO)  # a line for each epoch on stderr
    say(*own_training.report(own_training.train(faces, request, folder)))


def _export(arguments: argparse.Namespace) -> None:
    from fer_lib.predict import export, networks

    target = export.check_request(arguments.to, arguments.network, arguments.out)
    if arguments.classes is not None:
        networks.class_names(arguments.classes)
    from fer_lib.predict import models as saved_models  # imported late: Keras takes seconds

    model = saved_models.load(arguments.network, classes=arguments.classes, scaling=arguments.scaling)
    done = export.export(model, arguments.network, arguments.to, target)
    say(
        f"Wrote {', '.join(map(str, done.files))}.",
        f"Checked: {done.faces} faces get the same scores from both; the largest difference is {done.difference:.1e}.",
        *networks.notes(model.class_names, model.reading, model.image_size),
    )


def _weights(arguments: argparse.Namespace) -> None:
    from fer_lib.models import weights_report

    if arguments.json:
        say(json.dumps(weights_report.describe(arguments.file), indent=2))
    else:
        say(*weights_report.report(arguments.file))
