"""Compute scores on CK+ again from a run's saved answers, with today's intervals and tests; nothing is trained.

    FER_DATA=FOLDER .venv/bin/python workflow/score_again.py PROFILE

It is for runs whose networks are gone, such as those of weights that were not kept. In ``results/PROFILE`` it rewrites
the tables and values that notebooks 04 and 07 have computed from the answers; notebook 08 draws them. The outputs in
these notebooks stay. The provenance keeps the run's commit and says under ``scored_again`` which code computed the
scores, and from which file.
"""

import json
import os
import sys
from dataclasses import dataclass, field

import nbformat
import numpy as np
import pandas as pd

sys.path.insert(0, os.getcwd())  # the library of this folder

from fer_lib import artifacts, provenance
from fer_lib.datasets import corpus
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.experiments import comparison_scores, protocol_scores, protocols
from fer_lib.experiments.comparison import WholeAnswers
from fer_lib.faces import crops
from fer_lib.tables import comparators as comparators_tables, liu2023 as tables
from fer_lib.tables.base import weights_note
from fer_lib.utils import packed
from fer_lib.utils.files import write_text

NOTICE = (
    "The tables of scores on CK+ were computed again later from this run's answers, by `workflow/score_again.py` "
    "({commit}); the outputs below are those of the run itself."
)


@dataclass
class Again(artifacts.Run):
    """A finished run that is scored again: ``made`` is its provenance, ``answers`` the file of its answers."""

    made: dict = field(default_factory=dict)
    answers: str = ""

    def provenance(self):
        """Give the run's own provenance, with the code that scored it again."""
        here = provenance.surroundings()
        again = {"code": here["code"], "packages": here["packages"], "answers": self.made["artifacts"][self.answers]}
        return {**self.made, "scored_again": again}


def main(profile=""):
    """Score the runs of notebooks 04 and 07 again, for every seed."""
    if not profile:
        raise FerError("Give the name of a profile, such as paper.")
    first = artifacts.start("08_replication_report", profile=profile, seed=None)
    settings = first.settings
    people = crops.face_crops(corpus.load_ckplus(settings.ckplus, settings.data, ""), settings.faces)
    done = 0
    for notebook, (score, file, kept) in RUNS.items():
        for path in sorted((first.results / provenance.FOLDER).glob(f"{notebook}_seed*.json")):
            made = json.loads(path.read_text("utf-8"))
            if made["data"][people.corpus]["fingerprint"] != people.fingerprint:
                raise FerError(f"{path.stem} was run on other faces of CK+ than those of $FER_DATA.")
            run = Again(
                notebook, first.profile, settings, made["seed"], first.results, first.figures,
                facts={"data": made["data"], "weights": made["weights"]}, artifacts=dict(made["artifacts"]),
                made=made, answers=f"predictions/{file}".format(seed=made["seed"]),
            )  # fmt: skip
            if provenance.made_by(run.results, run.answers) is None:
                raise FerError(f"{run.answers} is missing, or is no longer what {path.stem} wrote.")
            name = f"{kept}_seed{run.seed}"
            values = provenance.read_values(run.results)[name]["values"]
            path = run.results / run.answers
            answers = packed.read(path) if path.suffix == ".npz" else pd.read_csv(path)
            changed = score(run, people, answers, values)
            run.save_values(artifacts.plain({**values, **changed}), name)
            tell(run)
            print(f"{run.id}: {', '.join(changed)} from {len(answers):,} answers")
            done += 1
    if not done:
        raise FerError(f"No run of notebook 04 or 07 in {first.results}; copy one there first.")


def own(run, people, answers, _):
    """Score notebook 04's classifiers on CK+, in the paper's two parts."""
    answers = answers[answers["protocol"] != protocols.THREE_PARTS]
    note, seed, synthetic = [weights_note(run.facts["weights"], model="ResNet-50")], run.seed, run.synthetic
    scores, leaks = protocol_scores.scores(answers, people), protocol_scores.leaks(answers, people)
    paired = protocol_scores.paired(answers, people, first="resnet50_svm_rbf", second="resnet50_softmax")
    run.save_table(tables.separations(scores, synthetic=synthetic, notes=note), f"liu2023_separations_seed{seed}")
    run.save_table(tables.leaks(leaks, synthetic=synthetic), f"liu2023_leaks_seed{seed}")
    run.save_table(tables.svm_softmax(paired, synthetic=synthetic, notes=note), f"liu2023_svm_softmax_seed{seed}")
    together = protocol_scores.together(answers, people)
    run.save_table(tables.hypothesis2(together, synthetic=synthetic, notes=note), f"liu2023_hypothesis2_seed{seed}")
    return {"scores": scores, "leaks": leaks, "svm_softmax": paired, "together": together}


def compared(run, people, answers, values):
    """Score notebook 07's comparators; on FER-2013 only Holm's p changes, of other families."""
    seed, reference, descriptions = run.seed, values["reference"], values["systems"]
    told = pd.read_csv(run.results / f"predictions/comparators_fer2013_seed{seed}.csv")
    told = told.drop(columns="data", errors="ignore")
    labels = told.pop("label").to_numpy()
    fer = pd.DataFrame(values["fer2013"])
    fer["at_chance"] = [comparison_scores.at_chance(low, labels) for low in fer["categorical_accuracy_low"]]
    fer["holm"] = metrics.holm(fer["p_value"].astype(float).where(~fer["at_chance"]))
    one_hot = {name: {"testing": np.eye(told.to_numpy().max() + 1)[told[name]]} for name in told}
    whole, test = WholeAnswers(one_hot, pd.DataFrame(), {}), type("Labels", (), {"labels": labels})
    scores, tested = protocol_scores.scores(answers, people), comparison_scores.tested(answers, people)
    differences = comparison_scores.against(answers, people, reference)
    leaders = comparison_scores.leaders(scores, answers, whole, faces=people, test=test)
    note = [weights_note(run.facts["weights"], model="ResNet-50")]
    marks = {"reference": reference, "leaders": leaders, "synthetic": run.synthetic, "notes": note}
    table = comparators_tables.table3(scores, differences, descriptions, tested=tested, **marks)
    run.save_table(table, f"liu2023_table3_measured_seed{seed}")
    table = comparators_tables.fer2013(fer, descriptions, missing=values["missing"], **marks)
    run.save_table(table, f"comparators_fer2013_seed{seed}")
    table = comparators_tables.paired(differences, descriptions, reference=reference, synthetic=run.synthetic)
    run.save_table(table, f"comparators_paired_seed{seed}")
    panels = {said: pd.DataFrame(rows) for said, rows in values["panels"].items()}
    on_ckplus = next(said for said in panels if said.startswith("CK+"))
    bounds = scores.drop_duplicates("classifier", keep="last").set_index("classifier")  # of the strictest separation
    for end in ("low", "high"):
        panels[on_ckplus][end] = panels[on_ckplus]["system"].map(bounds[end])
    shown = {said: artifacts.records(frame) for said, frame in panels.items()}
    new = {"scores": scores, "against": differences, "fer2013": fer, "tested": tested, "leaders": leaders}
    return {**new, "panels": shown}


def tell(run):
    """Put a notice on top of the run's executed notebook, in place of an earlier one."""
    path = run.results / "notebooks" / f"{run.id}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.get("id") != "scored-again"]
    commit = provenance.git_state()["commit"] or "no repository"
    notice = nbformat.v4.new_markdown_cell(NOTICE.format(commit=commit[:10]))
    notice["id"] = "scored-again"
    notebook.cells.insert(1, notice)
    write_text(path, nbformat.writes(notebook) + "\n")


RUNS = {  # notebook -> what scores it, the file of its answers, the name of its values
    "04_resnet_svm": (own, "liu2023_ckplus_seed{seed}.npz", "resnet50_svm"),
    "07_comparators": (compared, "comparators_ckplus_seed{seed}.csv", "comparators"),
}


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FerError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
