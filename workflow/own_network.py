"""Train the project's own network on FER-2013, or go on where it stopped, and write it as the package contains it.

    python workflow/own_network.py --data-dir data
    python workflow/own_network.py --data-dir data --changes "{network: vgg, width: 48, epochs: 200}"
    KERAS_BACKEND=jax python workflow/own_network.py --data-dir data

After each epoch it can be stopped; the same command continues there. The folder ``<out>/own_network`` is what belongs
in ``fer_lib/predict``; docs/model_card.md tells what the model is for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fer_lib import provenance, training
from fer_lib.datasets import corpus
from fer_lib.errors import FerError
from fer_lib.settings import (
    CkPlusSettings,
    DataSettings,
    FaceSettings,
    OwnNetworkSettings,
    change,
    parameters,
    settings_dict,
    settings_hash,
)
from fer_lib.utils import code_hash
from fer_lib.utils.files import atomic_path


def main() -> None:
    """Read the options, train, export, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default="", help="data folder (default: $FER_DATA)")
    parser.add_argument("--generated", type=int, help="train on so many generated faces instead, to try the command")
    parser.add_argument("--out", default="own_network", help="folder for checkpoints, tables and the model")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--changes", default="{}", help="settings as YAML, such as '{epochs: 200}'")
    options = parser.parse_args()
    try:
        run(options)
    except FerError as error:
        sys.exit(f"error: {error}")


def run(options: argparse.Namespace) -> None:
    """Train and export."""
    from fer_lib.experiments import own_network, own_network_scores  # imported late: Keras takes seconds
    from fer_lib.faces import crops

    changes = parameters.mapping("--changes", options.changes)
    settings = change(OwnNetworkSettings(), **changes)
    source = {"source": "generated", "generated_faces": options.generated} if options.generated else {}
    data = change(DataSettings(), drop_leaks=settings.drop_leaks, **source)
    faces = corpus.load_fer2013(data, options.data_dir)
    out = Path(options.out)
    chosen_on, _ = own_network_scores.divided(faces)
    made_on = provenance.surroundings()
    key = settings_hash(settings, faces.fingerprint, options.seed, code_hash.of(own_network.train), made_on["engine"])
    training.show_progress()
    network, history = own_network.train(
        settings,
        learnt=faces.part("Training"),
        chosen_on=chosen_on,
        seed=options.seed,
        checkpoints=out / "checkpoints" / f"{key}_seed{options.seed}",
    )
    made = {
        **made_on,
        "command": "python workflow/own_network.py",
        "arguments": {"generated": options.generated, "seed": options.seed, "changes": changes},  # no paths
        "seed": options.seed,
        "settings": settings_dict(settings),
        "epoch": int(history["val_accuracy"].argmax()) + 1,
        "data": {"fer2013": {"fingerprint": faces.fingerprint, "synthetic": faces.synthetic, "notes": faces.notes}},
    }
    cropping = change(FaceSettings(), size=faces.images.shape[1], mtcnn_engine="openvino")
    photos = crops.face_crops(corpus.load_genki4k(CkPlusSettings(), data, options.data_dir), cropping)
    seen = {"fingerprint": photos.fingerprint, "synthetic": photos.synthetic, "notes": photos.notes}
    made["scored_on"] = {"genki4k": seen}
    done = own_network_scores.export(
        out / "own_network",
        network,
        settings,
        faces,
        photos=photos,
        face_settings=settings_dict(cropping),
        provenance=made,
    )
    for name, table in {"history.csv": history, "scores.csv": done.table, "smiles.csv": done.smiles}.items():
        with atomic_path(out / name) as partial:
            table.to_csv(partial, index=False)
    print(done.table.to_string(index=False))
    sizes = ", ".join(f"{value:.4f} with views of {size} pixels" for size, value in done.sizes.items())
    losses = ", ".join(f"{loss:.4f} with {name}" for name, loss in done.losses.items())
    print(f"Accuracy on PublicTest: {sizes}; lost there by small storage: {losses}.")
    print(
        f"{done.folder}: {done.storage}, {done.megabytes:.2f} MB, temperature {done.temperature:.3f}, expected "
        f"calibration error {done.calibration:.4f} ({'calibrated' if done.calibrated else 'NOT calibrated'})."
    )


if __name__ == "__main__":
    main()
