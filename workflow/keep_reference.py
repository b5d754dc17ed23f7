"""Copy the results of a real run into the reference that the project commits.

    .venv/bin/python workflow/keep_reference.py PROFILE [RUN ...]

RUN is the name of a file in ``results/PROFILE/provenance``, without ``.json``; without one, all runs are copied. A run
is refused if it cannot be made again from a commit, or if something in it must not be published.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
from matplotlib.image import imread

sys.path.insert(0, os.getcwd())  # the library of this folder

from fer_lib import provenance
from fer_lib.errors import FerError
from fer_lib.utils.files import atomic_path

REFERENCE = Path("results", "reference")
LEFT_OUT = "This picture is left out of the committed copy; the notebook of seed 0 and figures/reference show its kind."


def main(profile="", *names):
    """Check every run that is asked for, then copy them all."""
    results = Path(os.environ.get("FER_OUTPUT", "")).expanduser() / "results" / profile
    runs = {path.stem: path for path in sorted((results / "provenance").glob("[!.]*.json"))}
    if not profile or not runs:
        raise FerError(f"No runs in {results / 'provenance'}; give the name of a profile that has run.")
    for name in names:
        if name not in runs:
            raise FerError(f"There is no run {name} in {results}; there are {', '.join(runs)}.")
    chosen = {name: runs[name] for name in names or runs}
    made = {name: json.loads(path.read_text("utf-8")) for name, path in chosen.items()}
    for name, run in made.items():
        if fault := fault_of(run, notebook(results, name)):
            raise FerError(f"{name} is not copied, nor any other run: {fault}.")
    for name, run in made.items():
        copy(results, REFERENCE / profile, name, run)
        print(f"{name}: {len(run['artifacts'])} results")
    if "08_replication_report" in made and profile == "paper":  # of any other profile, only tables are kept
        shutil.copyfile(results / "report.html", REFERENCE / profile / "report.html")


def fault_of(run, executed):
    """Say why a run may not be committed; empty if it may."""
    codes = [run["code"], run.get("scored_again", run)["code"]]
    if any(not code["commit"] or code["dirty"] is not False for code in codes):
        return "its code is no commit"
    real = [name for name, shown in run.get("shows", {}).items() if shown["synthetic"] is not True]
    if real:
        return f"real people's faces are in {', '.join(real)}; run it with DRAW_FACES=no"
    if not executed.is_file():
        return f"{executed} is missing"
    text = executed.read_text("utf-8")
    folders = {str(Path.home()), os.environ.get("FER_DATA", ""), os.environ.get("FER_OUTPUT", "")} - {"", "/", "."}
    named = [folder for folder in sorted(folders) if folder in text]
    return f"its notebook names {', '.join(named)}; give folders by the environment" if named else ""


def notebook(results, name):
    """Find a run's executed notebook; one without a seed of its own has none in its name."""
    named, bare = (results / "notebooks" / f"{each}.ipynb" for each in (name, name.rsplit("_seed")[0]))
    return bare if bare.is_file() else named


def copy(results, kept, name, run):
    """Copy a run's results except SVG figures, its provenance without them, and its notebook.

    A variant's picture that shows what its own run's picture in the reference shows, such as the network, is left out.
    Only the notebook of the profile's own settings and seed 0 keeps its pictures: those of the others look the same.
    What the reference has of an earlier run of this name, and neither this run nor another one has, is deleted.
    """
    made = run["artifacts"].items()
    run["artifacts"] = {
        file: digest
        for file, digest in made
        if not file.endswith(".svg") and not repeats(place(results, file), place(kept, file), name)
    }
    listed = {path.stem: json.loads(path.read_text("utf-8"))["artifacts"] for path in kept.glob("provenance/*.json")}
    earlier = listed.pop(name, {})
    for file in set(earlier).difference(run["artifacts"], *listed.values()):
        place(kept, file).unlink(missing_ok=True)
    for file in run["artifacts"]:
        put(place(kept, file), place(results, file).read_bytes())
    put(kept / "provenance" / f"{name}.json", (json.dumps(run, indent=2, ensure_ascii=False) + "\n").encode())
    executed = notebook(results, name)
    content = executed.read_bytes()
    put(kept / "notebooks" / executed.name, without_pictures(content) if re.search("-|_seed[1-9]", name) else content)


def repeats(picture, kept, name):
    """Tell whether the reference has a variant's picture already, pixel for pixel, of the run without the variant."""
    variant = re.search(r"-.+(?=_seed\d+$)", name)
    same = kept.with_name(kept.name.replace(variant[0], "")) if variant else kept
    return same != kept and kept.suffix == ".png" and same.is_file() and np.array_equal(imread(picture), imread(same))


def place(results, file):
    """Find a result, such as ``"figures/a.png"``, of a folder of results."""
    kind, _, rest = file.partition("/")
    return (provenance.figures_of(results) if kind == "figures" else results / kind) / rest


def without_pictures(content):
    """Replace the pictures of an executed notebook by a sentence."""
    notebook = json.loads(content)
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", ())):
        if any(kind.startswith("image/") for kind in output.get("data", ())):
            output["data"] = {"text/plain": LEFT_OUT}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def put(path, content):
    """Write a file whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FerError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
