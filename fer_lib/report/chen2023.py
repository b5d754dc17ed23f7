"""Build notebook 08's tables and figures on chen2023: a profile's results over seeds, next to the printed values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib import published
from fer_lib.artifacts import Run
from fer_lib.errors import FerError
from fer_lib.evaluation import metrics
from fer_lib.figures import (
    chen2023 as figures,
    hypotheses as hypotheses_figures,
    hypothesis1,
    input_scale as scale_figures,
)
from fer_lib.figures.source import in_words
from fer_lib.figures.style import not_yet, with_source
from fer_lib.provenance import same_faces
from fer_lib.published import template
from fer_lib.report import audit as audit_report, chen2023_claims, chen2023_variants
from fer_lib.report.audit import PaperAudit
from fer_lib.report.chen2023_variants import Training
from fer_lib.tables import (
    chen2023 as chen2023_tables,
    hypotheses as hypotheses_tables,
    input_scale as scale_tables,
)
from fer_lib.tables.base import Table, over_seeds, weights_note
from fer_lib.tables.format import MODEL_NAMES, SCORE_NAMES, interval
from fer_lib.utils import packed

TRAINED = ("resnet50_mlp", "baseline_cnn")
CORPORA = {"chen2023": ("fer2013",), "liu2023": ("ckplus", "fer2013")}  # of the values to quote that have a printed one
SCALE = "chen2023_input_scale"  # of notebook 02
OVER_BOTH = "95 % intervals of the mean over seeds and faces"
REPEATS_NOTE = (
    "Seeds are repeats of one comparison, so that no p is adjusted. That the models differ with every seed is as sure "
    "as the largest p says, where all differences have one sign."
)


@dataclass(frozen=True)
class Chen2023:
    """The results of one profile.

    Attributes:
        run: the run of the report, with its folders and provenance.
        scores: for each model and seed, a long frame of scores.
        values: the contents of each metrics file, by a name such as ``"resnet50_mlp_seed0"``.
        variants: names of the metrics files of the profile's variants, such as ``"resnet50_mlp-trunk_scaling_seed0"``.
    """

    run: Run
    scores: dict[str, dict[int, pd.DataFrame]]
    values: dict[str, dict[str, Any]]
    variants: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Tell whether any of the results come from generated faces."""
        return any(content["synthetic"] for content in self.values.values())

    @property
    def heading(self) -> str:
        """Write in Markdown the profile, the faces, and whether the weights test the transfer-learning claim."""
        if not self.values:
            return f"## Profile `{self.run.profile}`: nothing has been measured yet"
        faces = "generated faces" if self.synthetic else "real faces"
        mark = "SYNTHETIC · " if self.synthetic else ""
        title = f"## {mark}Profile `{self.run.profile}`, {faces}"
        return "\n\n".join([title, self.run.settings.description, *self._weights_notes()])

    def runs_table(self) -> Table:
        """Build the table of all trainings: faces, weights, epochs, settings and code of each."""
        rows = [self._run_row(name, self.values[name]["provenance"]) for name in [*self._trainings(), *self.variants]]
        columns = ["result", "faces", "fingerprint", "weights", "epochs", "settings", "backend", "precision"]
        columns += ["frozen trunk", "code"]
        return self._table(pd.DataFrame(rows, columns=columns), "What was run")

    def glance_table(self) -> Table:
        """Build the README's table: the test scores alone, printed and measured."""
        title = f"chen2023 at a glance: test faces ({self._seeds()})"
        notes = (*self._weights_notes(), *self._backend_notes())
        return chen2023_tables.glance(self._means(), title=title, synthetic=self.synthetic, notes=notes)

    def glance_figure(self) -> Figure:
        """Draw the README's picture: both accuracies on the test faces, and the printed one."""
        means = self._means()
        if not means:
            return not_yet("Both accuracies on the test faces")
        printed = {model: published.scores("chen2023", model, "accuracy")["testing"] for model in TRAINED}
        measured = {model: means[model] for model in MODEL_NAMES if model in means}
        return self._sourced(figures.glance(measured, printed=printed, synthetic=self.synthetic), *TRAINED)

    def table2(self) -> Table:
        """Build chen2023's Table 2 over all seeds."""
        title = f"chen2023, Table 2, published and measured ({self._seeds()})"
        notes = (*self._weights_notes(), *self._backend_notes())
        return chen2023_tables.table2(self._means(), title=title, synthetic=self.synthetic, notes=notes)

    def raw_table(self) -> Table:
        """Build the table of scores on test faces scaled as in training, and "raw" as the paper's wording suggests."""
        rows = []
        for model, frame in self._means().items():
            for split in ("validation", "testing", "testing, raw"):
                part = frame[frame["split"] == split].set_index("metric")
                if len(part):
                    cells = {SCORE_NAMES[name]: f"{part.loc[name, 'value']:.4f}" for name in list(SCORE_NAMES)[:3]}
                    rows.append({"model": MODEL_NAMES[model], "faces": split, **cells})
        return self._table(pd.DataFrame(rows), "Validation, test, and test on raw pixels")

    def readings(self) -> list[Table]:
        """Build the table of losses under other readings of how the test faces were treated: the mean over seeds.

        It is the list's only element; the list is empty for results without such readings.
        """
        found = [
            pd.DataFrame(kept["readings"]).assign(seed=seed)
            for seed in self.scores["resnet50_mlp"]
            if "readings" in (kept := self.values[f"resnet50_mlp_seed{seed}"]["values"])
        ]
        if not found:
            return []
        title = "How were the test faces treated? Readings of the printed losses"
        rows = pd.concat(found, ignore_index=True)
        return [chen2023_tables.readings(rows, title=title, synthetic=self.synthetic)]

    def public_cnns(self) -> list[Table]:
        """Build a table of the public CNNs next to the traditional CNN for each seed; an empty list without them."""
        found = []
        for name, content in self.values.items():
            if re.fullmatch(r"public_cnns_seed\d+", name):
                from fer_lib.tables import public_cnns as public_tables  # it imports the networks, and so Keras

                values, made = content["values"], content["provenance"]
                frames = {model: pd.DataFrame(rows) for model, rows in values["scores"].items()}
                scores = {model: dict(iter(frame.groupby("split"))) for model, frame in frames.items()}
                table = public_tables.compared(scores, values["counts"], synthetic=content["synthetic"])
                found.append(replace(table, title=f"{table.title} (seed {made['seed']})"))
                self.run.reads(name, made)
        return found

    def input_scale(self) -> list[Figure | Table]:
        """Show what the trunk keeps of its input as the pixels' scale changes; an empty list before notebook 02."""
        if (content := self.values.get(SCALE)) is None:
            return []
        scaled, layers = (pd.DataFrame(content["values"][part]) for part in ("scales", "layers"))
        synthetic, made = content["synthetic"], content["provenance"]
        self.run.reads(SCALE, made)
        figure = self.run.sourced(scale_figures.input_scale(scaled, layers, synthetic=synthetic), SCALE)
        shown: list[Figure | Table] = [
            figure,
            scale_tables.scales(scaled, synthetic=synthetic, notes=[weights_note(made["weights"])]),
            scale_tables.layers(layers, synthetic=synthetic),
        ]
        heads = content["values"].get("heads")  # results of earlier versions lack them
        return shown + ([scale_tables.heads(pd.DataFrame(heads), synthetic=synthetic)] if heads else [])

    def variants_table(self) -> Table:
        """Build the table of test scores of the paper's own reading and of each variant: one row for each training."""
        title = "ResNet50 + MLP, other readings and other weights: test faces, 95 % intervals"
        return self._table(chen2023_variants.readings(self._networks()), title)

    def trunks_table(self) -> Table:
        """Build the table of different trunks after equally many epochs, with what follows for transfer learning."""
        compared = self._trunks()
        when = f"epoch {compared['epochs'].iloc[0]}" if len(compared) else "equal epochs"
        table = self._table(
            chen2023_variants.trunks(compared), f"ResNet50 + MLP, trunks compared at {when}: validation faces"
        )
        said = chen2023_variants.pretraining_helps(compared)
        return replace(table, notes=(*table.notes, f"{said[0].upper()}{said[1:]}.")) if said else table

    def sureness_table(self) -> Table:
        """Build the table of the binary accuracy's parts on the test faces: one row for each training."""
        rows = {name: self.values[name]["values"]["sureness"]["testing"] for name in self._trainings()}
        title = "What the binary accuracy is made of, test faces"
        if not rows:
            return self._table(pd.DataFrame(columns=["faces of"]), title)
        return chen2023_tables.sureness(rows, title=title, synthetic=self.synthetic)

    def paired_table(self) -> Table:
        """Compare the two models' categorical accuracy face by face: one row for each seed.

        No p-value is adjusted. Each seed repeats the same comparison with new trainings on the same faces, so the rows
        are no family of different comparisons, and their faces are not pooled as if they were more faces. The claim is
        that the models differ for every seed. If all differences have the same sign, the largest p-value bounds this
        claim without adjustment (an intersection-union test, Berger 1982). Holm's adjustment would be needed to pick
        the seed that differs most.
        """
        rows = []
        for seed in self.scores["resnet50_mlp"]:
            folder = self.run.results / "predictions"
            first, second = (packed.read_answers(folder / f"{model}_seed{seed}_testing") for model in TRAINED)
            if first is None or second is None or first["label"].tolist() != second["label"].tolist():
                continue
            ours, others = (np.eye(frame.shape[1] - 2)[frame["predicted"]] for frame in (first, second))
            compared = metrics.compare_paired(ours, others, first["label"].to_numpy(), seed=seed)
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

    def claims_table(self) -> Table:
        """Build the table of the paper's claims, each next to its measured values."""
        seeds = [self.values[f"resnet50_mlp_seed{seed}"]["values"] for seed in self.scores["resnet50_mlp"]]
        gradients = [pd.DataFrame(each["gradients"]) for each in seeds if "gradients" in each]
        norms = pd.concat(gradients, ignore_index=True) if gradients else pd.DataFrame()
        measured = chen2023_claims.claims(self._means(), self.epochs(), self._trunks(), norms)
        return chen2023_tables.claims(measured, synthetic=self.synthetic, notes=self._weights_notes())

    def audit(self, paper: str) -> PaperAudit:
        """Audit a paper's printed numbers, next to these results."""
        return audit_report.of(published.record(paper), self.values)

    def hypothesis1_figure(self) -> Figure:
        """Draw both models' two accuracies over the epochs, with the printed ones and those of the class priors."""
        histories = {model: self._histories(model) for model in reversed(TRAINED)}
        printed = {model: published.scores("chen2023", model, "accuracy") for model in TRAINED}
        priors = self._means().get("class_priors")
        figure = hypothesis1.over_epochs(histories, priors=priors, printed=printed, synthetic=self.synthetic)
        return self._sourced(figure, *TRAINED)

    def hypothesis1_curve_figure(self) -> Figure:
        """Draw both accuracies over the loss: every epoch of ResNet50 + MLP's trainings, and the printed pairs."""
        figure = hypothesis1.over_loss(
            self.epochs(), template.logs(), printed=self._printed_pairs(), synthetic=self.synthetic
        )
        return self.run.sourced(figure, "resnet50_mlp*")

    def hypothesis1_table(self) -> Table:
        """Build the table of the three printed accuracies, those measured, and what would reach the printed ones."""
        measured = self._means().get("resnet50_mlp", pd.DataFrame(columns=["split", "metric", "value"]))
        return hypotheses_tables.hypothesis1(self._printed_pairs(), measured, self.epochs(), synthetic=self.synthetic)

    def epochs(self) -> pd.DataFrame:
        """List every epoch of every training of ResNet50 + MLP, variants included, in training and in validation.

        Returns:
            ``training`` (such as ``"seed0"``), ``kind`` (of the training), ``part``, ``epoch``, ``loss`` and both
            accuracies.
        """
        metrics_of = ["loss", "binary_accuracy", "categorical_accuracy"]
        parts = [pd.DataFrame(columns=["training", "kind", "part", "epoch", *metrics_of])]
        for each in self._networks():
            if each.history.empty:
                continue
            for part, prefix in (("training", ""), ("validation", "val_")):
                own = each.history[["epoch", *(prefix + metric for metric in metrics_of)]]
                own = own.set_axis(["epoch", *metrics_of], axis=1)
                parts.append(own.assign(training=each.name, kind=each.kind, part=part)[parts[0].columns])
        return pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]

    def _printed_pairs(self) -> pd.DataFrame:
        """List the printed loss and accuracy of ResNet50 + MLP by split, with the faces that the paper states."""
        sets = {"training": "training_22967", "validation": "validation_5741", "testing": "testing"}
        faces = published.record("chen2023").sets
        pairs = {metric: published.scores("chen2023", "resnet50_mlp", metric) for metric in ("loss", "accuracy")}
        rows = [
            {"split": split, **{metric: pairs[metric][split] for metric in pairs}, "faces": faces[name].faces}
            for split, name in sets.items()
        ]
        return pd.DataFrame(rows)

    def loss_figure(self, model: str) -> Figure:
        """Draw the loss of every seed's training (chen2023's Figure 5)."""
        history = self._histories(model)
        if history is None:
            return not_yet(f"{MODEL_NAMES[model]}, loss")
        printed = published.scores("chen2023", model, "loss")
        figure = figures.loss_curves(history, published=printed, model=model, synthetic=self.synthetic)
        return self._sourced(figure, model)

    def accuracy_figure(self, model: str) -> Figure:
        """Draw both accuracies of every seed's training (chen2023's Figure 6)."""
        history = self._histories(model)
        if history is None:
            return not_yet(f"{MODEL_NAMES[model]}, accuracy")
        printed = published.scores("chen2023", model, "accuracy")
        figure = figures.accuracy_curves(history, published=printed, model=model, synthetic=self.synthetic)
        return self._sourced(figure, model)

    def recall_figure(self) -> Figure:
        """Draw the recall of each class on the test faces, both models side by side, for the first seed."""
        firsts = {model: frames[min(frames)] for model, frames in self.scores.items() if frames and model in TRAINED}
        if not firsts:
            return not_yet("Recall of each class")
        testing = {model: frame[frame["split"] == "testing"] for model, frame in firsts.items()}
        return self._first_seeds(figures.recalls(testing, synthetic=self.synthetic))

    def reliability_figure(self) -> Figure:
        """Draw both models' reliability curves on the test faces, for the first seed."""
        firsts = {model: min(frames) for model, frames in self.scores.items() if frames and model in TRAINED}
        if not firsts:
            return not_yet("Reliability of the largest output")
        curves = {
            model: pd.DataFrame(self.values[f"{model}_seed{seed}"]["values"]["reliability"])
            for model, seed in firsts.items()
        }
        return self._first_seeds(figures.reliability_curves(curves, synthetic=self.synthetic))

    def _sourced(self, figure: Figure, *models: str) -> Figure:
        """Add the line that names the faces, seeds and weights of the models' results."""
        return self.run.sourced(figure, *(f"{model}_seed*" for model in models))

    def _first_seeds(self, figure: Figure) -> Figure:
        """Add the line on the faces, seed and weights of each model's first seed."""
        firsts = [f"{model}_seed{min(frames)}" for model, frames in self.scores.items() if frames and model in TRAINED]
        return self.run.sourced(figure, *firsts)

    def _means(self) -> dict[str, pd.DataFrame]:
        """Combine each model's scores over all seeds; leave out models without scores.

        The values of seeds that different backends trained have no standard deviation of seeds, so it is left out.
        """
        means = {model: over_seeds(frames) for model, frames in self.scores.items() if frames}
        mixed = {model for model in means if len(self._backends(model)) > 1}
        return {model: each.assign(spread=np.nan) if model in mixed else each for model, each in means.items()}

    def _backends(self, model: str) -> dict[str, list[int]]:
        """Map each backend that trained a model to its seeds."""
        found: dict[str, list[int]] = {}
        for seed in self.scores[model] if model in TRAINED else ():
            made = self.values[f"{model}_seed{seed}"]["provenance"]
            found.setdefault(made["engine"]["backend"], []).append(seed)
        return found

    def _backend_notes(self) -> tuple[str, ...]:
        """Say for each model which seeds another backend trained, and that its row has no standard deviation."""
        notes = []
        for model in TRAINED:
            found = self._backends(model)
            if len(found) > 1:
                said = ", ".join(f"{', '.join(map(str, seeds))} with {backend}" for backend, seeds in found.items())
                notes.append(
                    f"{MODEL_NAMES[model]}: seeds {said}. What differs between them is not the seed alone, so that the "
                    "row has no standard deviation of seeds."
                )
        return tuple(notes)

    def _seeds(self) -> str:
        counts = {MODEL_NAMES[model]: len(self.scores[model]) for model in TRAINED if self.scores[model]}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{model} {count}" for model, count in counts.items())
            return f"mean ± s.d. where there are several seeds ({each}), {OVER_BOTH}"
        return _seed_phrase(sorted({seed for frames in self.scores.values() for seed in frames}))

    def _weights_notes(self) -> tuple[str, ...]:
        """Describe the trunk's weights in one sentence; empty before notebook 03 has run."""
        seeds = self.scores["resnet50_mlp"]
        if not seeds:
            return ()
        return (weights_note(self.values[f"resnet50_mlp_seed{min(seeds)}"]["provenance"]["weights"]),)

    def _networks(self) -> list[Training]:
        """List the trainings of ResNet50 + MLP: the paper's own reading of each seed, then the variants."""
        names = [f"resnet50_mlp_seed{seed}" for seed in self.scores["resnet50_mlp"]]
        found = []
        for name in [*names, *self.variants]:
            content, history = self.values[name], self.run.load_rows(name, folder="histories")
            scores = pd.DataFrame(content["values"]["scores"])
            kept = pd.DataFrame() if history is None else history
            found.append(Training(_short(name), content["provenance"], scores, kept))
        return found

    def _trunks(self) -> pd.DataFrame:
        networks, priors = self._networks(), self._means().get("class_priors")
        if priors is not None:
            priors = priors.set_index(["split", "metric"])["value"].get(("validation", "loss"))
        return chen2023_variants.at_equal_epochs(networks, priors=np.nan if priors is None else priors)

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

    def _table(self, frame: pd.DataFrame, title: str) -> Table:
        notes = () if len(frame) else ("Nothing to show yet: run notebooks 03 and 05 with this profile.",)
        return Table(frame, title, self.synthetic, notes)


def quotes_figure(*audits: PaperAudit) -> Figure:
    """Draw the numbers to quote next to those that each paper prints (hypothesis 4: an honest reading of each)."""
    quotes = {each.record.paper: each.quotes_frame() for each in audits}
    figure = hypotheses_figures.hypothesis4(quotes, synthetic=any(each.synthetic for each in audits))
    words = []
    for each in audits:
        drawn = quotes[each.record.paper].dropna(subset=["printed"])
        names = dict.fromkeys(name for row in drawn["results"] for name in row)
        if said := in_words([each.results[name]["provenance"] for name in names], corpora=CORPORA[each.record.paper]):
            words.append(f"For {each.record.paper}, {said[0].lower()}{said[1:]}")
    return with_source(figure, " ".join(words))


def gather(run: Run, seeds: Sequence[int] = ()) -> Chen2023:
    """Read the results in a profile's folder, of the given seeds or of all, and copy their provenance to the run.

    Raises:
        FerError: the seeds of one model have different settings, faces or weights, or the models different faces.
    """
    values = {
        name: content
        for name, content in run.load_values("*").items()
        if not seeds or content["provenance"]["seed"] in (None, *seeds)
    }
    scores = {model: run.load_scores(model, seeds) for model in MODEL_NAMES}
    names = [f"{model}_seed{seed}" for model, frames in scores.items() for seed in frames]
    others = [name for name in values if name.startswith("resnet50_mlp-")]
    names += others
    made = {name: values[name]["provenance"] for name in names}
    odd = [name for name in names if _faces(made[name], name in others) != _faces(made[names[0]], name in others)]
    if odd:
        raise FerError(
            f"The results of {', '.join(names)} in profile {run.profile} are not of the same faces ({odd[0]} differs); "
            "run the notebooks again with one data folder and one set of data settings."
        )
    for name in names:
        run.reads(name, made[name])
    return Chen2023(run, scores, values, tuple(others))


def _faces(made: dict[str, Any], variant: bool) -> list[Any]:
    """List what two results must share: a variant may divide training from validation faces in another way."""
    fingerprints, settings = same_faces(made)
    free = ("validation_split", "validation_fraction") if variant else ()
    return [fingerprints, {name: value for name, value in settings.items() if name not in free}]


def _short(name: str) -> str:
    """Shorten a training's name: ``"resnet50_mlp-trunk_scaling_seed0"`` to ``"trunk_scaling_seed0"``."""
    return name.removeprefix("resnet50_mlp").lstrip("-_")


def _seed_phrase(seeds: list[int]) -> str:
    if not seeds:
        return "no seed yet"
    if len(seeds) == 1:
        return f"seed {seeds[0]}, 95 % intervals over faces"
    return f"mean ± s.d. of {len(seeds)} seeds, {OVER_BOTH}"
