# One rule runs a notebook; the others reuse it with their own inputs, outputs and parameters.

LIBRARY = sorted(
    str(path)
    for path in Path("fer_lib").rglob("*")
    if path.suffix in (".py", ".yaml", ".json", ".css") and path.parent.name != "profiles"
)
PROFILE_FILE = os.path.relpath(ASKED.file) if ASKED.file.is_relative_to(os.getcwd()) else str(ASKED.file)


def executed(name):
    """Return the path of an executed notebook."""
    return f"{RESULTS}/notebooks/{name}.ipynb"


def inputs(notebook, *before):
    """List the files that a notebook's run depends on: its source, the profile, the library and earlier runs."""
    given = {"notebook": f"notebooks/{notebook}.ipynb", "profile": PROFILE_FILE, "library": LIBRARY}
    return given | {"before": [executed(name) for name in before]}


def parameters(extra=""):
    """Build the parameters of a notebook that has a seed."""
    return lambda wildcards: f"-p profile {PROFILE} -p seed {wildcards.seed} {extra}".format(**wildcards).strip()


rule resnet50_mlp:
    message: "03_resnet50_mlp, seed {wildcards.seed}"
    input:
        **inputs("03_resnet50_mlp", "02_preprocessing", *PRETRAINED),
    output:
        notebook=executed("03_resnet50_mlp_seed{seed}"),
    params:
        given=parameters(),
        sources=ASKED.sources,  # not used by the command, but a change of data, weights or trunk reruns every notebook
    resources:
        **resources_of("resnet50_mlp"),
    shell:
        "env {resources.device} bash workflow/execute.sh {sys.executable:q} {input.notebook} {output.notebook:q}"
        " {params.given}"


use rule resnet50_mlp as resnet50_mlp_variant with:
    message: "03_resnet50_mlp, variant {wildcards.variant}, seed {wildcards.seed}"
    output:
        notebook=executed("03_resnet50_mlp-{variant}_seed{seed}"),
    wildcard_constraints:
        variant=r"\w+",
    params:
        given=parameters("-p variant {variant}"),
    resources:
        **resources_of("resnet50_mlp_variant"),


use rule resnet50_mlp as untrained with:
    message: "01_data_exploration"
    input:
        **inputs("01_data_exploration"),
    output:
        notebook=executed("01_data_exploration"),
    priority: 2  # before anything trains, because faults of the data show here
    params:
        given=f"-p profile {PROFILE} -p draw_faces {ASKED.draw_faces}",
    resources:
        **resources_of("untrained"),


use rule untrained as preprocessing with:
    message: "02_preprocessing"
    input:
        **inputs("02_preprocessing", *PRETRAINED),  # the card of the weights says which pixels they expect
    output:
        notebook=executed("02_preprocessing"),


use rule resnet50_mlp as pretraining with:
    message: "00_pretraining, seed {wildcards.seed}"
    input:
        **inputs("00_pretraining"),
    output:
        notebook=executed("00_pretraining_seed{seed}"),
    resources:
        **resources_of("pretraining"),


use rule resnet50_mlp as baseline_cnn with:
    message: "05_baseline_cnn, seed {wildcards.seed}"
    input:
        **inputs("05_baseline_cnn", "03_resnet50_mlp_seed{seed}"),
    output:
        notebook=executed("05_baseline_cnn_seed{seed}"),
    resources:
        **resources_of("baseline_cnn"),


use rule resnet50_mlp as resnet_svm with:
    message: "04_resnet_svm, seed {wildcards.seed}"
    input:
        **inputs("04_resnet_svm", *PRETRAINED),  # not 02: what waits for what here takes the longest of all
    output:
        notebook=executed("04_resnet_svm_seed{seed}"),
    priority: 1  # before 03, because the longest notebook, 07, waits for it
    params:
        given=parameters(f"-p draw_faces {ASKED.draw_faces}"),
    resources:
        **resources_of("resnet_svm"),


use rule resnet50_mlp as lenet_study with:
    message: "06_lenet_study"
    input:
        **inputs("06_lenet_study", "02_preprocessing"),
    output:
        notebook=executed("06_lenet_study_seed{seed}"),
    resources:
        **resources_of("lenet_study"),


use rule resnet50_mlp as comparators with:
    message: "07_comparators"
    input:
        **inputs("07_comparators", "04_resnet_svm_seed{seed}", *PRETRAINED),
    output:
        notebook=executed("07_comparators_seed{seed}"),
    resources:
        **resources_of("comparators"),


use rule resnet50_mlp as report with:
    message: "08_replication_report"
    input:
        **inputs(
            "08_replication_report",
            "01_data_exploration",
            *[f"03_resnet50_mlp_seed{seed}" for seed in SEEDS],
            *[f"03_resnet50_mlp-{variant}_seed{SEEDS[0]}" for variant in VARIANTS],
            *[f"05_baseline_cnn_seed{seed}" for seed in ASKED.baseline_seeds],
            *STUDIES,
        ),
    output:
        notebook=executed("08_replication_report"),
    params:
        given=f"-p profile {PROFILE} -y 'seeds: [{', '.join(SEEDS)}]'",
    resources:
        **resources_of("report"),


rule page:
    message: "report.html"
    input:
        notebook=executed("08_replication_report"),
    output:
        html=f"{RESULTS}/report.html",
    resources:
        **resources_of("page"),
    shell:
        "{sys.executable:q} -m fer_lib.report.page {input.notebook:q} {output.html:q}"
