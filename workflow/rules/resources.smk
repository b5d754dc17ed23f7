# Resources that each job requests from a cluster, and the GPU of each seed if there are several. On a single computer
# these numbers limit nothing: only `--cores` decides how many notebooks run at the same time.

# Minutes with a GPU, minutes on CPU cores, GB of memory. They are generous, because a job that exceeds its limit has to
# queue again, although it resumes at its last epoch. The quick profile's minutes on two cores are measured (notebook
# 03: 8, 05: 7, 04: 34, 07: 45); the paper profile's follow from its epochs; GPU minutes and memory are estimates.
PAPER = {
    "pretraining": (120, 720, 12),
    "untrained": (30, 30, 8),
    "resnet50_mlp": (120, 480, 12),
    "resnet50_mlp_variant": (180, 960, 12),  # "from_scratch" trains the whole trunk
    "baseline_cnn": (120, 480, 12),
    "resnet_svm": (480, 960, 32),  # its SVMs train on CPU cores in any case
    "lenet_study": (240, 240, 8),
    "comparators": (480, 1440, 32),
    "report": (30, 30, 8),
    "page": (20, 20, 6),
}
QUICK = {
    "pretraining": (60, 240, 12),
    "untrained": (30, 30, 8),
    "resnet50_mlp": (30, 60, 12),
    "resnet50_mlp_variant": (30, 120, 12),
    "baseline_cnn": (30, 60, 12),
    "resnet_svm": (120, 240, 24),
    "lenet_study": (30, 30, 8),
    "comparators": (120, 240, 24),
    "report": (30, 30, 8),
    "page": (20, 20, 6),
}
SMOKE = dict.fromkeys(PAPER, (20, 20, 6))
COSTS = {"smoke": SMOKE, "quick": QUICK}.get(PROFILE, PAPER)
TRAINED = ("pretraining", "resnet50_mlp", "resnet50_mlp_variant", "baseline_cnn", "resnet_svm", "comparators")  # gain from a GPU
GPUS = 0 if PROFILE == "smoke" else ASKED.gpus  # GPUs of a training; 0 if the cluster has none

DEVICES = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")


def resources_of(rule):
    """Build a rule's resources for Snakemake's SLURM plugin; each further attempt gets half as much again.

    They set `cpus_per_task` and not `threads`, which would limit the number of parallel notebooks on one computer.
    """
    gpus = GPUS if rule in TRAINED else 0
    with_gpu, without, gigabytes = COSTS[rule]
    minutes = with_gpu if gpus else without
    return {
        "runtime": lambda wildcards, attempt: minutes * (attempt + 1) // 2,
        "mem_mb": lambda wildcards, attempt: 1000 * gigabytes * (attempt + 1) // 2,
        "cpus_per_task": 8 if rule in TRAINED and PROFILE != "smoke" else 2,
        "gpu": gpus,
        "device": own_device if rule in TRAINED else "",
    }


def own_device(wildcards):
    """Assign the GPUs in CUDA_VISIBLE_DEVICES to seeds and variants in turn; "" leaves the variable unchanged."""
    turns, name = [*SEEDS, *VARIANTS], wildcards.get("variant", wildcards.seed)
    turn = turns.index(name) if name in turns else int(wildcards.seed)
    return f"CUDA_VISIBLE_DEVICES={DEVICES[turn % len(DEVICES)]}" if len(DEVICES) > 1 else ""
