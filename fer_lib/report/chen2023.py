"""What notebook 08 reports: the results of a profile, gathered over seeds and set beside what the papers print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from fer_lib import published
from fer_lib.artifacts import Run
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.figures import chen2023 as figures
from fer_lib.figures import hypotheses as hypotheses_figures
from fer_lib.figures.style import not_yet
from fer_lib.provenance import same_faces
from fer_lib.report import audit as audit_report
from fer_lib.report.audit import PaperAudit
from fer_lib.tables import chen2023 as chen2023_tables
from fer_lib.tables.base import Table, over_seeds, printed_scores, weights_note
from fer_lib.tables.format import MODEL_NAMES, SCORE_NAMES, interval
from fer_lib.utils.files import file_sha256

TRAINED = ("resnet50_mlp", "baseline_cnn")
REPEATS_NOTE = (
    "Seeds are repeats of one comparison, so that no p is adjusted. That the models differ with every seed is as sure "
    "as the largest p says, where all differences have one sign."
)


@dataclass(frozen=True)
class Results:
    """The results of one profile.

    Attributes:
        run: of the report.
        scores: model to seed to its long frame of scores.
        values: name of a metrics file, such as ``"resnet50_mlp_seed0"``, to its contents.
        variants: names of the metrics files of the profile's variants, such as ``"resnet50_mlp-trunk_scaling_seed0"``.
    """

    run: Run
    scores: dict[str, dict[int, pd.DataFrame]]
    values: dict[str, dict[str, Any]]
    variants: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether any of the results come from generated faces."""
        return any(content["synthetic"] for content in self.values.values())

    @property
    def heading(self) -> str:
        """Markdown: the profile, the faces, and whether the weights test the transfer-learning claim."""
        if not self.values:
            return f"## Profile `{self.run.profile}`: nothing has been measured yet"
        faces = "generated faces" if self.synthetic else "real faces"
        mark = "SYNTHETIC · " if self.synthetic else ""
        title = f"## {mark}Profile `{self.run.profile}`, {faces}"
        return "\n\n".join([title, self.run.settings.description, *self._weights_notes()])

    def runs_table(self) -> Table:
        """Returns a row a training: its faces, weights, epochs, settings and code."""
        rows = [self._run_row(name, self.values[name]["provenance"]) for name in [*self._trainings(), *self.variants]]
        columns = ["result", "faces", "fingerprint", "weights", "epochs", "settings", "backend", "precision"]
        columns += ["frozen trunk", "code"]
        return self._table(pd.DataFrame(rows, columns=columns), "What was run")

    def glance_table(self) -> Table:
        """Returns the test scores alone, printed beside measured: what the README shows."""
        title = f"chen2023 at a glance: test faces ({self._seeds()})"
        notes = self._weights_notes()
        return chen2023_tables.glance(self._means(), title=title, synthetic=self.synthetic, notes=notes)

    def table2(self) -> Table:
        """Returns chen2023's Table 2 over all seeds."""
        title = f"chen2023, Table 2, published and measured ({self._seeds()})"
        notes = self._weights_notes()
        return chen2023_tables.table2(self._means(), title=title, synthetic=self.synthetic, notes=notes)

    def raw_table(self) -> Table:
        """Returns the test scores with test faces scaled as in training, and "raw" as the paper's wording suggests."""
        rows = []
        for model, frame in self._means().items():
            for split in ("validation", "testing", "testing, raw"):
                part = frame[frame["split"] == split].set_index("metric")
                if len(part):
                    cells = {SCORE_NAMES[name]: f"{part.loc[name, 'value']:.4f}" for name in list(SCORE_NAMES)[:3]}
                    rows.append({"model": MODEL_NAMES[model], "faces": split, **cells})
        return self._table(pd.DataFrame(rows), "Validation, test, and test on raw pixels")

    def variants_table(self) -> Table:
        """Returns the test scores of the paper's own reading and of each variant that was run, a row a training."""
        rows = []
        for name in [*self._trainings()[: len(self.scores["resnet50_mlp"])], *self.variants]:
            content = self.values[name]
            made, scores = content["provenance"], pd.DataFrame(content["values"]["scores"])
            testing = scores[scores["split"] == "testing"].set_index("metric")
            cells = {
                SCORE_NAMES[metric]: interval(*testing.loc[metric, ["value", "low", "high"]])
                for metric in ("loss", "categorical_accuracy", "binary_accuracy")
            }
            settings = made["settings"]
            facts = {"scaling": settings["scaling"], "trunk": made["weights"]["origin"]}
            # without weights nothing is frozen; before there were engines Keras computed it all
            computed = "–" if settings["weights"] == "none" else settings.get("trunk_precision", "float32")
            facts |= {"frozen layers in": computed, "epochs": settings["epochs"]}
            rows.append({"training": name.removeprefix("resnet50_mlp").lstrip("-_"), **facts, **cells})
        title = "ResNet50 + MLP, other readings and other weights: test faces, 95 % intervals"
        return self._table(pd.DataFrame(rows), title)

    def sureness_table(self) -> Table:
        """Returns the anatomy of the binary accuracy on the test faces, a row a training."""
        rows = {name: self.values[name]["values"]["sureness"]["testing"] for name in self._trainings()}
        title = "What the binary accuracy is made of, test faces"
        if not rows:
            return self._table(pd.DataFrame(columns=["faces of"]), title)
        return chen2023_tables.sureness(rows, title=title, synthetic=self.synthetic)

    def paired_table(self) -> Table:
        """Returns the two models' categorical accuracy paired face by face, a row a seed.

        No p-value is adjusted. Each seed asks the same question of new trainings and the same faces: the rows are
        repeats, not a family of different comparisons, and their faces are not pooled as if they were more faces. What
        is claimed of the models is claimed of every seed; for that the largest of the p-values holds as it is, where
        the differences have one sign (an intersection-union test, Berger 1982). Holm's adjustment would be for picking
        the seed that differs most.
        """
        rows = []
        for seed in self.scores["resnet50_mlp"]:
            first, second = (
                self.run.load_rows(f"{model}_seed{seed}_testing", folder="predictions") for model in TRAINED
            )
            if first is None or second is None or not first["label"].equals(second["label"]):
                continue
            outputs = [frame[list(self._class_names(frame))].to_numpy() for frame in (first, second)]
            compared = metrics.compare_paired(*outputs, first["label"].to_numpy(), seed=seed)
            difference = interval(compared["difference"], compared["low"], compared["high"])
            rows.append(
                {
                    "seed": seed,
                    "ResNet50 + MLP minus CNN": difference,
                    "right only by ResNet50 + MLP": compared["only_first"],
                    "right only by CNN": compared["only_second"],
                    "McNemar's exact p": f"{compared['p_value']:.2g}",
                }
            )
        table = self._table(pd.DataFrame(rows), "Categorical accuracy on the same test faces")
        return replace(table, notes=(*table.notes, REPEATS_NOTE)) if len(rows) > 1 else table

    def audit(self, paper: str) -> PaperAudit:
        """Returns the audit of a paper beside these results."""
        return audit_report.of(published.record(paper), self.values)

    def hypothesis1_figure(self) -> Figure:
        """Returns both accuracies over the epochs of both models, beside those printed and the class priors'."""
        histories = {model: self._histories(model) for model in reversed(TRAINED)}
        printed = {model: printed_scores("chen2023", model, "accuracy") for model in TRAINED}
        priors = self._means().get("class_priors")
        return hypotheses_figures.hypothesis1(histories, priors=priors, printed=printed, synthetic=self.synthetic)

    def loss_figure(self, model: str) -> Figure:
        """Returns the loss of every seed's training (chen2023's Figure 5)."""
        history = self._histories(model)
        if history is None:
            return not_yet(f"{MODEL_NAMES[model]}, loss")
        printed = printed_scores("chen2023", model, "loss")
        return figures.loss_curves(history, published=printed, model=model, synthetic=self.synthetic)

    def accuracy_figure(self, model: str) -> Figure:
        """Returns both accuracies of every seed's training (chen2023's Figure 6)."""
        history = self._histories(model)
        if history is None:
            return not_yet(f"{MODEL_NAMES[model]}, accuracy")
        printed = printed_scores("chen2023", model, "accuracy")
        return figures.accuracy_curves(history, published=printed, model=model, synthetic=self.synthetic)

    def recall_figure(self) -> Figure:
        """Returns the recall of each class on the test faces, both models side by side, of the first seed."""
        firsts = {model: frames[min(frames)] for model, frames in self.scores.items() if frames and model in TRAINED}
        if not firsts:
            return not_yet("Recall of each class")
        testing = {model: frame[frame["split"] == "testing"] for model, frame in firsts.items()}
        return figures.recalls(testing, synthetic=self.synthetic)

    def reliability_figure(self) -> Figure:
        """Returns both models' reliability curves on the test faces, of the first seed."""
        firsts = {model: min(frames) for model, frames in self.scores.items() if frames and model in TRAINED}
        if not firsts:
            return not_yet("Reliability of the largest output")
        curves = {
            model: pd.DataFrame(self.values[f"{model}_seed{seed}"]["values"]["reliability"])
            for model, seed in firsts.items()
        }
        return figures.reliability_curves(curves, synthetic=self.synthetic)

    def _means(self) -> dict[str, pd.DataFrame]:
        """Model to its scores over all seeds, for the models that have any."""
        return {model: over_seeds(frames) for model, frames in self.scores.items() if frames}

    def _seeds(self) -> str:
        counts = {MODEL_NAMES[model]: len(self.scores[model]) for model in TRAINED if self.scores[model]}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{model} {count}" for model, count in counts.items())
            return f"mean ± s.d. where there are several seeds ({each}), 95 % intervals over faces"
        return _seed_phrase(sorted({seed for frames in self.scores.values() for seed in frames}))

    def _weights_notes(self) -> tuple[str, ...]:
        """A sentence on the trunk's weights, or none before notebook 03 has run."""
        seeds = self.scores["resnet50_mlp"]
        if not seeds:
            return ()
        return (weights_note(self.values[f"resnet50_mlp_seed{min(seeds)}"]["provenance"]["weights"]),)

    def _trainings(self) -> list[str]:
        return [f"{model}_seed{seed}" for model in TRAINED for seed in self.scores[model]]

    def _run_row(self, name: str, made: dict[str, Any]) -> dict[str, str]:
        corpus, facts = next(iter(made["data"].items()))
        weights = made.get("weights") or {"origin": "–", "sha256": None}
        commit = made["code"]["commit"] or "no repository"
        return {
            "result": name,
            "faces": f"{sum(facts['counts'].values()):,} of {corpus}{' (SYNTHETIC)' if facts['synthetic'] else ''}",
            "fingerprint": facts["fingerprint"][:12],
            "weights": weights["origin"] + (f", SHA-256 {weights['sha256'][:12]}…" if weights["sha256"] else ""),
            "epochs": str(made["settings"]["epochs"]),
            "settings": made["settings_hash"],
            "backend": made["engine"]["backend"],
            "precision": made["settings"].get("precision", made["engine"]["precision"]),
            "frozen trunk": f"{made['settings']['trunk_engine']} {made['settings']['trunk_precision']}"
            if "trunk_engine" in made["settings"]
            else "–",
            "code": commit[:10] + (", changed since" if made["code"]["dirty"] else ""),
        }

    def _histories(self, model: str) -> pd.DataFrame | None:
        frames = [
            frame.assign(seed=seed)
            for seed in self.scores[model]
            if (frame := self.run.load_rows(f"{model}_seed{seed}", folder="histories")) is not None
        ]
        return pd.concat(frames, ignore_index=True) if frames else None

    def _class_names(self, predictions: pd.DataFrame) -> list[str]:
        return [name for name in predictions.columns if name not in ("face", "label", "data")]

    def _table(self, frame: pd.DataFrame, title: str) -> Table:
        notes = () if len(frame) else ("Nothing to show yet: run notebooks 03 and 05 with this profile.",)
        return Table(frame, title, self.synthetic, notes)


def quotes_figure(*audits: PaperAudit) -> Figure:
    """Returns what to quote beside what each paper prints (hypothesis 4: an honest reading of each)."""
    quotes = {each.record.paper: each.quotes_frame() for each in audits}
    return hypotheses_figures.hypothesis4(quotes, synthetic=any(each.synthetic for each in audits))


def gather(run: Run, seeds: Sequence[int] = ()) -> Results:
    """Returns the results that stand in a run's profile, of these seeds or of all, and takes over their provenance.

    Raises:
        FerError: seeds of one model were run with different settings, faces or weights, or the models on other faces.
    """
    values = {
        name: content
        for name, content in run.load_values("*").items()
        if not seeds or content["provenance"]["seed"] in (None, *seeds)
    }
    scores = {model: run.load_scores(model, seeds) for model in MODEL_NAMES}
    names = [f"{model}_seed{seed}" for model, frames in scores.items() for seed in frames]
    variants = [name for name in values if name.startswith("resnet50_mlp-")]
    names += variants
    made = {name: values[name]["provenance"] for name in names}
    odd = [name for name in names if same_faces(made[name]) != same_faces(made[names[0]])]
    if odd:
        raise FerError(
            f"The results of {', '.join(names)} in profile {run.profile} are not of the same faces ({odd[0]} differs); "
            "run the notebooks again with one data folder and one set of data settings."
        )
    run.facts["made_from"] = {
        name: {"sha256": file_sha256(run.results / "metrics" / f"{name}.json")}
        | {key: made[name].get(key) for key in ("seed", "data", "data_settings", "settings", "weights", "code")}
        for name in names
    }
    return Results(run, scores, values, tuple(name for name in names if name in variants))


def _seed_phrase(seeds: list[int]) -> str:
    if not seeds:
        return "no seed yet"
    if len(seeds) == 1:
        return f"seed {seeds[0]}, 95 % intervals over faces"
    return f"mean ± s.d. of {len(seeds)} seeds, 95 % intervals over faces"
