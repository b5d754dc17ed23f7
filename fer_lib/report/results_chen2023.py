"""Fill the part of docs/results.md on chen2023 from the reference tables."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
from scipy import stats

from fer_lib.published import template
from fer_lib.report.results_cells import COUNTS, OLDER, PRETRAINED, Tables, estimate, share, table
from fer_lib.settings import PROJECT, load_profile
from fer_lib.tables.hypotheses import AS_PRINTED

READINGS = {
    "float32_trunk": "frozen layers in float32",
    "bfloat16_trunk": "frozen layers in bfloat16",
    "from_scratch": "all layers, from nothing",
    "from_scratch_trunk_scaling": "all layers, from nothing, own scaling",
    "random_frozen": "random trunk, frozen",
    "random_frozen_trunk_scaling": "random trunk, own scaling",
    "trunk_scaling": "trunk's own scaling",
    "whole_trunk": "all layers, pre-trained",
    "whole_trunk_trunk_scaling": "all layers, pre-trained, own scaling",
    "no_dropout": "no dropout",
    "template": "as in the public notebook",
    "he_uniform": "head from he_uniform",
    "last_four_weighted": "last 4 with weights",
    "last_four_convolutions": "last 4 convolutions",
    "rate_0_01": "learning rate 0.01",
    "rate_0_0001": "learning rate 0.0001",
    "split_at_random": "8:2 at random",
    "split_by_class": "8:2 by class, rounded down",
}
IMAGENET = PROJECT / "benchmarks" / "results" / "imagenet_scale.json"
UNTRAINED = ("random_frozen", "from_scratch")  # variants without pre-trained weights, whatever the runs' weights are
LEAST_RECALL = 0.01
PRECISIONS = ("float32", "bfloat16")


def values(tables: Tables) -> dict[str, str]:
    """Give every measured value of chen2023's part by its name in ``results.md``."""
    return _own(tables) | _variants(tables) | _mechanism(tables)


def _own(tables: Tables) -> dict[str, str]:
    head = ["test faces", "accuracy,<br>printed", "categorical<br>accuracy", "binary<br>accuracy"]
    head += ["loss,<br>printed", "loss"]
    network, cnn, priors = "ResNet50 + MLP", "Traditional CNN", "Class priors"
    categorical, binary = "categorical accuracy, measured", "binary accuracy, measured"

    def glance(column: str, model: str) -> str:
        return estimate(tables.cell("chen2023_glance", column, model))

    def measured(column: str) -> str:
        return estimate(tables.cell("chen2023_table2", column, cnn, "measured, categorical"))

    def measured_with_interval(column: str) -> str:
        return tables.cell("chen2023_table2", column, cnn, "measured, categorical")

    trained = [tables.score(f"baseline_cnn_seed{seed}", "categorical_accuracy", split="training") for seed in range(3)]
    return {
        "weights_digest": tables.said("chen2023_glance", rf"file {re.escape(PRETRAINED)}, SHA-256 (\w+…)"),
        "weights_top1": tables.said("chen2023_glance", r"top-1 ([\d.]+) %"),
        "older_file": OLDER,
        "older_digest": tables.said("liu2023_glance", rf"file {re.escape(OLDER)}, SHA-256 (\w+…)"),
        "chen2023_glance": table(head, tables.rows("chen2023_glance")),
        "network_printed": glance("accuracy, printed", network),
        "network_binary": glance(binary, network),
        "network_share": share(glance(categorical, network)),
        "priors_share": share(glance(categorical, priors)),
        "beside_priors": 'no more than always answering "happy",'
        if share(glance(categorical, network)) == share(glance(categorical, priors))
        else 'and always answering "happy"',
        "test_readings": _test_readings(tables),
        "cnn_printed": glance("accuracy, printed", cnn),
        "cnn_training": measured("Training accuracy"),
        "cnn_validation": measured("Validation accuracy"),
        "cnn_testing": measured("Testing accuracy"),
        "cnn_validation_loss": measured_with_interval("Validation loss"),
        "cnn_testing_loss": measured_with_interval("Testing loss"),
        "cnn_training_low": f"{min(trained):.4f}",
        "cnn_training_high": f"{max(trained):.4f}",
        **_recall(tables),
        **_hypothesis1(tables),
        **_template(),
        "seeds_interval": "is that of the mean over seeds and faces"
        if "mean over seeds and faces" in tables.notes("chen2023_table2")
        else "spans the intervals of all three",
    }


def _test_readings(tables: Tables) -> str:
    """Say which other treatments of the test faces raise the loss of a model that learns, that of the own scaling."""
    gap, raw, halved = "its test loss minus the validation loss as trained", "raw pixels, 0-255", "halved"
    other = "the other official part"
    frame = tables.frame("resnet50_mlp-trunk_scaling_seed0_readings").set_index("reading")[gap].astype(float)
    frame = frame.rename({"reduced to half and enlarged": halved})
    raw_loss = estimate(tables.cell("chen2023_raw_testing", "loss (nats)", "ResNet50 + MLP", "testing, raw"))
    others = frame.drop(["as trained", raw, halved])
    more = f"{frame[halved]:.3f} nats above that of the validation faces as trained, and raw pixels {frame[raw]:.3f}"
    return (
        f"Notebook 03 scored {COUNTS[len(frame) - 1]} other treatments of the faces or the model. Our model as printed "
        f"answers nearly the same for every face, so that they tell little about it; raw pixels raise its loss far too "
        f"much, to {raw_loss}. At the trunk's own scaling, where the model learns, test faces that are reduced to half "
        f"their size and enlarged again have a loss {more}; all others change it by at most {others.abs().max():.3f}, "
        f"also {other} ({frame[other]:+.3f}). So a treatment of the test faces can raise the loss by as much as in the "
        "paper, or more."
    )


def _recall(tables: Tables) -> dict[str, str]:
    """Say which classes each network of seed 0 names correctly how often, in per cent of the class's test faces."""

    def recall(model: str) -> pd.Series:
        frame = tables.frame(f"{model}_seed0_scores").set_index("metric")["testing"]
        own = frame[frame.index.str.startswith("recall: ")]
        return own.rename(lambda name: name.removeprefix("recall: ")).str.split(" ").str[0].astype(float)

    cnn, network = recall("baseline_cnn"), recall("resnet50_mlp")
    named = network[network >= LEAST_RECALL].sort_values(ascending=False)
    said = [f"{100 * value:.1f} % of *{name}*" for name, value in named.items()]
    return {
        "cnn_recall": " to ".join(f"{100 * cnn[name]:.1f} % (*{name}*)" for name in (cnn.idxmin(), cnn.idxmax())),
        "network_recall": ", ".join(said[:-1]) + (" and " if said[1:] else "") + "".join(said[-1:]),
        "least_recall": f"{100 * LEAST_RECALL:g}",
    }


def _hypothesis1(tables: Tables) -> dict[str, str]:
    """Compare the three printed accuracies of ResNet50 + MLP with those measured, and with epochs of the same loss."""
    frame = tables.frame("chen2023_hypothesis1").set_index("split")
    near = {part: f"their {part} accuracy" for part in ("binary", "categorical")}
    gaps: dict[str, list[float]] = {part: [] for part in near}
    for _, row in frame.iterrows():
        for part, column in near.items():
            gaps[part] += [abs(float(end) - float(row["accuracy, printed"])) for end in row[column].split(" to ")]
    needed = "more sure-right than sure-wrong, for the printed"
    columns = ["loss, printed", "accuracy, printed", "binary, measured", *near.values()]
    head = ["faces", "loss,<br>printed", "accuracy,<br>printed", "binary,<br>measured"]
    head += [f"{part}, at<br>this loss" for part in near]
    losses, faces = tables.losses("resnet50_mlp_seed0"), frame["faces"].str.replace(",", "").astype(int)
    error = losses.std(ddof=1) * np.sqrt(1 / faces["validation"] + 1 / faces["testing"])
    return {
        "chen2023_hypothesis1": table(head, frame.reset_index()[["split", *columns]].to_numpy().tolist()),
        "trainings": COUNTS[len(tables.frame("chen2023_variants"))],
        "whose_epochs": _whose_epochs(frame),
        "binary_gap": f"{np.ceil(max(gaps['binary']) * 1e4) / 1e4:.4f}",
        "categorical_gap": f"{np.floor(min(gaps['categorical']) * 100) / 100:.2f}",
        "sure_training": frame.loc["training", needed],
        "sure_training_own": frame.loc["training", "measured"],
        "losses_error": f"{error:.4f}",
    }


def _whose_epochs(frame: pd.DataFrame) -> str:
    """Say which trainings have the printed losses of training and validation, and how near their accuracies are."""
    parts, column = (
        frame.loc[["training", "validation"]],
        next(name for name in frame if name.startswith("epochs with")),
    )
    said = [f"{row[column]} in {split} ({row['of the trainings']})" for split, row in parts.iterrows()]
    if any(AS_PRINTED in each for each in said):
        return f"The epochs at these two losses, by training: {' and '.join(said)}."
    lowest = parts["their binary accuracy"].str.split(" ").str[0].astype(float)
    above = lowest.gt(parts["accuracy, printed"].astype(float)).all()
    but = "; all their binary accuracies are a little above the printed ones" if above else ""
    others = " and ".join(said)
    never = "one of these two losses" if AS_PRINTED in frame.loc["testing", "of the trainings"] else "any of the three"
    return f"No epoch of the model as printed has {never}. Epochs of variants do: {others}{but}."


def _mechanism(tables: Tables) -> dict[str, str]:
    """Give what a frozen trunk keeps of faces at 1/255 and at its own scaling, and the same of ImageNet's weights."""
    name = "chen2023_input_scale"
    columns = {"variation": "variation (%)", "probe": "probe's accuracy (%)"}

    def row(which: str, trunk: str, scale: str) -> dict[str, str]:
        frame = tables.frame(name).set_index(["trunk", "pixels times"]).loc[(trunk, scale)]
        return {f"{which}_{said}": estimate(frame[column]) for said, column in columns.items()}

    heads = tables.frame(f"{name}_heads")
    random = heads[heads["trunk"] == "random"].iloc[0]
    heads = heads[heads["trunk"] == "given"].drop(columns=["trunk", "categorical accuracy, training (%)"])
    shown = ["pixels<br>times", "head", "loss", "categorical<br>accuracy", "binary<br>accuracy", "sure"]
    measured = json.loads(IMAGENET.read_text(encoding="utf-8"))
    imagenet, faces = measured["rows"], measured["faces"]["variation"]
    own, small = (next(r for r in imagenet if r["divisor"] == by and r["centred"]) for by in (1, 255))
    return {
        **row("unit", "given", "1/255"),
        **row("own", "given", "1, mean subtracted"),
        **row("random", "random", "1/255"),
        "heads": table(shown, heads.to_numpy().tolist()),
        "imagenet_own": f"{100 * own['accuracy']:.2f} [{100 * own['low']:.2f}, {100 * own['high']:.2f}]",
        "imagenet_unit": f"{100 * small['accuracy']:.2f}",
        "imagenet_kept": f"all its features are 0 on {faces} faces"
        if small["variation"] is None
        else f"its features vary by {100 * small['variation']:.1f} % of their norm over {faces} faces",
        "random_printed": estimate(random["categorical accuracy (%)"]),
        "random_sure": random["sure (%)"],
    }


def _template() -> dict[str, str]:
    """Give the last epochs of the public logs on their validation faces, first of that with both accuracies."""
    logs = template.logs()
    logs = logs[logs["part"] == "validation"]
    both, other = (logs[logs["categorical_accuracy"].notna() == told].iloc[0] for told in (True, False))
    names = {"loss": "loss", "binary": "binary_accuracy", "categorical": "categorical_accuracy"}
    return {f"template_{said}": f"{both[name]:.4f}" for said, name in names.items()} | {
        "template_other_loss": f"{other['loss']:.4f}"
    }


def _variants(tables: Tables) -> dict[str, str]:
    columns = ["training", "trunk", "epochs", "loss (nats)", "categorical accuracy", "binary accuracy"]
    rows = tables.frame("chen2023_variants")[columns].to_numpy().tolist()
    head = ["training", "weights", "epochs", "loss", "categorical<br>accuracy", "binary<br>accuracy"]
    return {
        "chen2023_variants": table(head, [[_reading(row[0]), *row[1:]] for row in rows]),
        "own_scaling": share(estimate(tables.cell("chen2023_variants", "categorical accuracy", "trunk_scaling_seed0"))),
        "precision": tables.settings("resnet50_mlp_seed0")["trunk_precision"],
        "precisions": _precisions(tables),
        "earlier": _earlier(tables),
        "without_dropout": _without_dropout(tables),
        "chen2023_missing": _missing(tables),
    }


def _earlier(tables: Tables) -> str:
    """Say which rows are of earlier runs, which used no pre-trained weights; empty if none is."""
    older = [name for name in UNTRAINED if not tables.has(f"resnet50_mlp-{name}_seed0_readings")]
    if not older:
        return ""
    rows = " and ".join(f'"{READINGS[name]}"' for name in older)
    said = f" {rows} {'are of earlier runs' if len(older) > 1 else 'is of an earlier run'}, without pre-trained weights"
    bfloat16 = "; the frozen layers of the random trunk were computed in bfloat16"
    return f"{said}{bfloat16 if 'random_frozen' in older else ''}."


def _without_dropout(tables: Tables) -> str:
    """Say whether the whole model learns at 1/255 once no layer drops anything."""
    whole = "The whole model, in which the trunk's last layers train, too,"
    row = "no_dropout_seed0"
    if row not in set(tables.frame("chen2023_variants")["training"]):
        return f"{whole} has not been trained without that dropout yet."
    found, priors = (
        tables.cell(name, column, first)
        for name, column, first in (
            ("chen2023_variants", "categorical accuracy", row),
            ("chen2023_glance", "categorical accuracy, measured", "Class priors"),
        )
    )
    low = float(found.split("[")[1].split(",")[0])
    learnt = "so it learns" if low > float(estimate(priors)) else "no more than the class priors"
    loss = estimate(tables.cell("chen2023_variants", "loss (nats)", row))
    return (
        f"{whole} was trained without any dropout, one seed: it names {100 * float(estimate(found)):.2f} % of the test "
        f"faces correctly, {learnt}; its loss is {loss}."
    )


def _missing(tables: Tables) -> str:
    """Name the variants of the profile that have no row yet, as a row of the table of what is not run."""
    own = tables.settings("resnet50_mlp_seed0")["trunk_precision"]
    trained = {name.rpartition("_seed")[0] for name in tables.frame("chen2023_variants")["training"]}
    named = [name for name in load_profile("paper").variants if name not in {*trained, f"{own}_trunk"}]
    words = "; ".join(READINGS[name] for name in named)
    return f"| of chen2023: {words} | 03 | more rows of the table of readings | 50 minutes a row |\n" if named else ""


def _precisions(tables: Tables) -> str:
    """Compare seed 0's trainings with the frozen layers in float32 and in bfloat16; empty without the second one."""
    own = tables.settings("resnet50_mlp_seed0")["trunk_precision"]
    names = {each: "seed0" if each == own else f"{each}_trunk_seed0" for each in PRECISIONS}
    if not set(names.values()) <= set(tables.frame("chen2023_variants")["training"]):
        return ""
    files = ["resnet50_mlp_seed0" if names[each] == "seed0" else f"resnet50_mlp-{names[each]}" for each in PRECISIONS]
    apart = tables.losses(files[0]) - tables.losses(files[1])
    error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
    reach = stats.norm.ppf(0.975) * error
    ends = apart.mean() - reach, apart.mean() + reach
    losses, accuracies = (
        " and ".join(estimate(tables.cell("chen2023_variants", column, name)) for name in names.values())
        for column in ("loss (nats)", "categorical accuracy")
    )
    told = "cannot be told from" if ends[0] <= 0 <= ends[1] else "differs from"
    difference = f"{apart.mean():+.4f} nats [{ends[0]:+.4f}, {ends[1]:+.4f}], standard error {error:.4f}"
    return (
        " Seed 0 was trained twice, with the frozen layers in float32 and in bfloat16: "
        f"losses {losses}. Paired face by face, the difference is {difference}, over faces: for this seed "
        f"float32 {told} bfloat16. The categorical accuracies are {accuracies}."
    )


def _reading(training: str) -> str:
    """Name a row of the variants' table: ``"as printed, seed 1"``, ``"trunk's own scaling"``."""
    name, _, seed = training.rpartition("seed")
    if not name:
        return f"as printed, seed {seed}"
    said = READINGS.get(name.rstrip("_"), name.rstrip("_"))
    return said if seed == "0" else f"{said}, seed {seed}"
