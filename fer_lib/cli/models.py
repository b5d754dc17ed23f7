"""``fer-lib models``, ``export`` and ``weights``: the trained models and their files."""

from __future__ import annotations

import argparse
import json

from fer_lib.cli.common import add_reading, command, say


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands on models."""
    _add_models(commands)
    _add_export(commands)
    _add_weights(commands)


def _add_models(commands: argparse._SubParsersAction) -> None:
    models = command(commands, "models", _models, "list the trained models in the results folders, with their scores")
    models.add_argument("--json", action="store_true", help="print the same as a JSON list, the default first")
    models.epilog = (
        "Models are under results/*/models and results/reference/*/models, in $FER_OUTPUT or the current folder. The "
        "first one is the default of `fer-lib predict`; docs/using.md has the rule."
    )


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = command(commands, "export", _export, "export a network to ONNX, LiteRT or OpenVINO, and check its answers")
    export.add_argument("network", metavar="MODEL", help="a .keras file of a network with a score for each class")
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

    found = shelf.list_models()
    if arguments.json:
        say(json.dumps([one.plain() for one in found], indent=2))
    elif found:
        say(*shelf.table(found))
    else:
        say("There is no model under results/*/models yet; notebooks 04, 05 and 07 save some (`make replicate`).")


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
