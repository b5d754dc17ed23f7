"""Build notebook 08's tables and figures on liu2023: results of notebooks 04, 06 and 07 next to the printed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from fer_lib import provenance, published
from fer_lib.artifacts import Run
from fer_lib.evaluation import smiles as generalisation
from fer_lib.experiments import protocol_scores, protocols
from fer_lib.figures import (
    comparators as comparators_figures,
    hypotheses as hypotheses_figures,
    liu2023 as liu2023_figures,
)
from fer_lib.figures.style import not_yet
from fer_lib.report import liu2023_seeds
from fer_lib.report.liu2023_claims import (
    OWN,
    claims,
    efficiency_claim,
    fer2013_gain,
    gradients_claim,
    outperforms_claim,
    own_rows,
)
from fer_lib.settings import ResNet50SvmSettings, change
from fer_lib.tables import (
    comparators as comparators_tables,
    lenet as lenet_tables,
    liu2023 as liu2023_tables,
    svm as svm_tables,
)
from fer_lib.tables.base import Table, weights_note
from fer_lib.tables.format import SEPARATIONS, percent

# the columns of frames that can be empty: without GENKI-4K, or with only one separation
EMPTY = {
    "genki4k": generalisation.COLUMNS,
    "leaks": protocol_scores.LEAKS,
}
GLANCE = {
    OWN: "ResNet-50 + SVM (RBF)",
    "resnet50_softmax": "ResNet-50 + SoftMax",
    "pixels_svm": "Raw pixels + SVM (RBF)",
}


@dataclass(frozen=True)
class Liu2023:
    """The results of one profile.

    Attributes:
        run: the run of the report, with its folders and provenance.
        model: the contents of notebook 04's metrics by seed; empty where it has not run.
        lenet: the contents of notebook 06's metrics by seed; empty where it has not run.
        compared: the contents of notebook 07's metrics by seed; empty where it has not run.
    """

    run: Run
    model: dict[int, dict[str, Any]]
    lenet: dict[int, dict[str, Any]]
    compared: dict[int, dict[str, Any]]

    def glance_table(self) -> Table:
        """Build the README's table: the accuracy on 56 + 14 faces a class, printed and measured."""
        rows = []
        scores = self._frame("scores") if self.model else pd.DataFrame(columns=["protocol", "classifier"])
        for classifier, name in GLANCE.items():
            own = scores[(scores["protocol"] == protocols.PER_CLASS) & (scores["classifier"] == classifier)]
            cells = {row.separation: percent(row.accuracy, row.low, row.high) for row in own.itertuples()}
            printed = published.record("liu2023")["table3-own"].value if classifier == OWN else "–"
            rows.append({"CK+, 56 + 14 faces a class": name, "printed (%)": printed} | {
                f"{said} (%)": cells.get(kind, "–") for kind, said in SEPARATIONS.items()
            })  # fmt: skip
        return Table(pd.DataFrame(rows), f"liu2023 at a glance ({self._seed()})", **self._marks(self.model))

    def table3(self) -> Table:
        """Build Table 3 as measured; only the paper's own classifier before notebook 07 has run."""
        if self.compared:
            values, marks = self._compared_values, self._compared_marks
            scores, against = (pd.DataFrame(values[name]) for name in ("scores", "against"))
            marks |= {"tested": self._compared_frame("tested"), "leaders": self._compared_frame("leaders")}
            return comparators_tables.table3(scores, against, values["systems"], **marks)
        own = own_rows(self._frame("scores")) if self.model else None
        return liu2023_tables.table3(own, **self._marks(self.model))

    def compared_tables(self) -> list[Table]:
        """Build Table 3 and, once notebook 07 has run, the table of the same comparators on FER-2013."""
        if not self.compared:
            return [self.table3()]
        values, marks = self._compared_values, self._compared_marks
        scores = pd.DataFrame(values["fer2013"]).astype({"difference": float, "p_value": float, "holm": float})
        more = {"missing": values["missing"], "leaders": self._compared_frame("leaders")}
        fer2013 = comparators_tables.fer2013(scores, values["systems"], **more, **marks)
        return [self.table3(), fer2013, *self._more_compared()]

    def _more_compared(self) -> list[Table]:
        """Build the tables on equal terms, of the controls and of the sizes; results of earlier versions lack them."""
        values, synthetic = self._compared_values, self._synthetic(self.compared)
        found, systems = [], values["systems"]
        if values.get("equal_terms"):
            equal = _with_numbers(values["equal_terms"])
            found.append(comparators_tables.equal_terms(equal, systems, synthetic=synthetic))
        if values.get("controlled"):
            controlled = _with_numbers(values["controlled"])
            found.append(comparators_tables.controlled(controlled, systems, synthetic=synthetic))
        if "sizes" in values:
            sizes = pd.DataFrame(values["sizes"])
            by_corpus = {corpus: sizes[sizes["corpus"] == corpus] for corpus in sizes["corpus"].unique()}
            found.append(comparators_tables.sizes(by_corpus, systems, synthetic=synthetic))
        return found

    def cost_figure(self) -> Figure:
        """Draw the comparators' accuracy over their cost."""
        found = self._compared_values if self.compared else {}
        panels = {said: pd.DataFrame(rows) for said, rows in found.get("panels", {}).items()}
        figure = comparators_figures.costs(panels, found.get("systems", {}), synthetic=self._synthetic(self.compared))
        return self.run.sourced(figure, f"comparators_seed{min(self.compared, default='*')}")

    def ckplus_tables(self) -> list[Table]:
        """Build CK+'s tables: every classifier and separation, the leaks, SVM minus SoftMax, and hypothesis 2."""
        makers = {
            "scores": liu2023_tables.separations,
            "leaks": liu2023_tables.leaks,
            "svm_softmax": liu2023_tables.svm_softmax,
            "together": liu2023_tables.hypothesis2,
        }
        own = [self._or_not_yet(make, name) for name, make in makers.items()]
        return [*own, *self._over_seeds(), *self._more_ckplus()]

    def _over_seeds(self) -> list[Table]:
        """Build the table of each fine-tuning's scores, if there are several."""
        if len(self.model) < 2:
            return []
        frames = {name: self._frames(name) for name in liu2023_seeds.FRAMES}
        return [liu2023_seeds.table(frames, **self._marks(self.model))]

    def _more_ckplus(self) -> list[Table]:
        """Build the tables of the fits, of three parts, of readings and of other SVMs; earlier results lack them."""
        synthetic, marks = self._synthetic(self.model), self._first_marks
        makers = {
            "fits": lambda rows: svm_tables.fits(rows, synthetic=synthetic),
            "three_parts": lambda rows: svm_tables.three_parts(rows, **marks),
            "readings": lambda rows: svm_tables.readings(rows, **marks),
            "variants": lambda rows: svm_tables.variants(rows, self._svm_settings, **marks),
        }
        return [make(self._frame(name)) for name, make in makers.items() if self._has(name)]

    def genki_table(self) -> Table:
        """Build the table of GENKI-4K's accuracies and areas under the ROC curve."""
        return self._or_not_yet(liu2023_tables.genki4k, "genki4k")

    def fer2013_tables(self) -> list[Table]:
        """Build the tables of accuracies on FER-2013's test faces: the paper's classifiers, and other SVMs."""
        settings, marks = self._svm_settings, self._first_marks
        own = self._or_not_yet(lambda rows, **marks: liu2023_tables.fer2013(rows, settings, **marks), "fer2013")
        name = "variants_fer2013"
        return [own, *([svm_tables.variants_fer2013(self._frame(name), settings, **marks)] if self._has(name) else [])]

    def lenet_tables(self) -> list[Table]:
        """Build the LeNet study's tables: Table 4, the batch sizes, Table 5, and the tutorial program's own errors."""
        makers = (lenet_tables.table4, lenet_tables.batch_sizes, lenet_tables.table5)
        summary, synthetic = self._lenet_frame("summary"), self._synthetic(self.lenet)
        own = lenet_tables.tutorial(self._lenet_frame("tutorial"), synthetic=synthetic)
        return [*(make(summary, synthetic=synthetic) for make in makers), own]

    def claims_table(self) -> Table:
        """Build the table of the paper's claims, each next to its measured values."""
        measured = {}
        if self.model:
            measured = claims(*(liu2023_seeds.mean(self._frames(name), name) for name in liu2023_seeds.FRAMES))
        if self.lenet:
            measured["gradients"] = gradients_claim(self._lenet_frame("depth"))
        values = self._compared_values if self.compared else {}
        if gain := fer2013_gain(pd.DataFrame(values["fer2013"]), values["reference"]) if values else "":
            measured["svm_gain"] = "; ".join(filter(None, [measured.get("svm_gain"), gain]))
        if "sizes" in values:
            equal, sizes = _with_numbers(values["equal_terms"]), pd.DataFrame(values["sizes"])
            said = {
                "outperforms": outperforms_claim(equal, values["systems"]),
                "efficiency": efficiency_claim(sizes, values["systems"], self._speeds()),
            }
            measured |= {claim: sentence for claim, sentence in said.items() if sentence}
        return liu2023_tables.claims(measured, **self._marks(self.model or self.lenet))

    def separation_figure(self) -> Figure:
        """Draw the accuracy of each classifier in each separation."""
        if not self.model:
            return not_yet("liu2023, accuracy on CK+", "notebook 04")
        scores = self._frame("scores")
        figure = liu2023_figures.separations(scores, synthetic=self._synthetic(self.model))
        return self.run.sourced(figure, *(f"resnet50_svm_seed{seed}" for seed in sorted(self.model)))

    def hypothesis2_figure(self) -> Figure:
        """Draw the accuracy on training and test faces together next to that on test faces."""
        if not self.model:
            return not_yet("Hypothesis 2, training and test faces together", "notebook 04")
        figure = hypotheses_figures.hypothesis2(self._frame("together"), synthetic=self._synthetic(self.model))
        return self._of_first(figure)

    def hypothesis3_figure(self) -> Figure:
        """Draw the errors of every LeNet training next to the printed ones."""
        results = self.run.load_rows("lenet_study", folder="histories")
        if results is None or not self.lenet:
            return not_yet("Hypothesis 3, forty people or seven expressions", "notebook 06")
        figure = hypotheses_figures.hypothesis3(results, synthetic=self._synthetic(self.lenet))
        return self.run.sourced(figure, "lenet_study_seed*")

    def _of_first(self, figure: Figure) -> Figure:
        """Add the line on the faces, seed and weights of notebook 04's lowest seed."""
        return self.run.sourced(figure, f"resnet50_svm_seed{min(self.model)}")

    def _frame(self, name: str) -> pd.DataFrame:
        """Read a frame of notebook 04's lowest seed; ``scores`` is the mean over seeds."""
        if name == "scores":
            return liu2023_seeds.mean(self._frames(name), name)
        return self._frames(name)[min(self.model)]

    def _frames(self, name: str) -> dict[int, pd.DataFrame]:
        """Read a frame of notebook 04 by seed."""
        found = {seed: pd.DataFrame(content["values"][name]) for seed, content in self.model.items()}
        return {
            seed: pd.DataFrame(columns=EMPTY[name]) if frame.empty else _with_numbers(frame)
            for seed, frame in found.items()
        }

    def _has(self, name: str) -> bool:
        """Tell whether notebook 04 has kept a frame with rows; results of earlier versions lack some."""
        return bool(self.model and self._first["values"].get(name))

    @property
    def _svm_settings(self) -> ResNet50SvmSettings:
        """The settings of notebook 04 that its tables tell, as the results were made with them."""
        made = self._first["provenance"]["settings"].get("resnet50_svm", {}) if self.model else {}
        told = ("fer2013_components", "fer2013_search_faces", "variants_views")
        return change(self.run.settings.resnet50_svm, **{name: made[name] for name in told if name in made})

    @property
    def _first(self) -> dict[str, Any]:
        return self.model[min(self.model)]

    @property
    def _compared_values(self) -> dict[str, Any]:
        return self.compared[min(self.compared)]["values"]

    @property
    def _compared_marks(self) -> dict[str, Any]:
        weights = self.compared[min(self.compared)]["provenance"]["weights"]
        note = weights_note(weights, model="ResNet-50")
        return {
            "reference": self._compared_values["reference"],
            "synthetic": self._synthetic(self.compared),
            "notes": (note,),
        }

    def _compared_frame(self, name: str) -> pd.DataFrame | None:
        """Read a frame of notebook 07; None in results of earlier versions."""
        return pd.DataFrame(self._compared_values[name]) if self._compared_values.get(name) else None

    def _speeds(self) -> dict[str, float]:
        """Read how many faces of CK+ each comparator answered in a second."""
        (rows,) = (each for said, each in self._compared_values["panels"].items() if said.startswith("CK+"))
        return {row["system"]: row["faces_a_second"] for row in rows}

    def _lenet_frame(self, name: str) -> pd.DataFrame | None:
        found = self.lenet[min(self.lenet)]["values"].get(name) if self.lenet else None
        return None if found is None else pd.DataFrame(found)

    def _or_not_yet(self, make: Any, name: str) -> Table:
        if not self.model:
            return Table(pd.DataFrame(), f"liu2023, {name}", notes=("Nothing to show yet: run notebook 04.",))
        return make(self._frame(name), **(self._mean_marks if name == "scores" else self._first_marks))

    @property
    def _mean_marks(self) -> dict[str, Any]:
        """The marks of a table of the means over seeds."""
        marks = self._marks(self.model)
        if len(self.model) < 2:
            return marks
        seeds = ", ".join(map(str, sorted(self.model)))
        means = f"Each value is the mean of seeds {seeds}, and its interval that over seeds and subjects."
        return marks | {"notes": (means, *marks["notes"])}

    @property
    def _first_marks(self) -> dict[str, Any]:
        """The marks of a table of the lowest seed alone."""
        marks = self._marks(self.model)
        return (
            marks | {"notes": (f"Of seed {min(self.model)} alone.", *marks["notes"])} if len(self.model) > 1 else marks
        )

    def _marks(self, contents: dict) -> dict[str, Any]:
        return {"synthetic": self._synthetic(contents), "notes": self._weights_notes()}

    def _synthetic(self, contents: dict) -> bool:
        return any(content["synthetic"] for content in contents.values())

    def _seed(self) -> str:
        seeds = [str(seed) for seed in sorted(self.model)]
        if len(seeds) < 2:
            return f"seed {seeds[0]}" if seeds else "not measured yet"
        return f"mean of seeds {', '.join(seeds)}, each with a fine-tuning of its own"

    def _weights_notes(self) -> tuple[str, ...]:
        if not self.model:
            return ()
        made = self._first["provenance"]
        without_neutral = made["data"]["ckplus"]["notes"].get("neutral") is False
        six = (
            ("This release of CK+ has no neutral faces: six classes, not the paper's seven.",)
            if without_neutral
            else ()
        )
        return (weights_note(made["weights"], model="ResNet-50"), *six)


def gather(run: Run, seeds: Sequence[int] = ()) -> Liu2023:
    """Read the results of notebooks 04, 06 and 07 in a profile's folder, of the given seeds or of all.

    The run's provenance lists every result that was read.

    Raises:
        FerError: the seeds of one notebook have different settings, faces or weights.
    """
    found = []
    for name in ("resnet50_svm", "lenet_study", "comparators"):
        contents = run.load_values(f"{name}_seed*").items()
        kept = {content["provenance"]["seed"]: (file, content) for file, content in contents}
        kept = {seed: each for seed, each in kept.items() if not seeds or seed in seeds}
        for file, content in kept.values():
            made = content["provenance"]
            run.reads(file, made)
        provenance.check_alike({file: content["provenance"] for file, content in kept.values()})
        found.append({seed: content for seed, (_, content) in kept.items()})
    return Liu2023(run, *found)


def _with_numbers(rows: pd.DataFrame | list[dict[str, Any]]) -> pd.DataFrame:
    """Build a frame whose columns of missing numbers only are numbers too; they are read without a type."""
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(frame.columns[frame.isna().all()], float))
