# What each job asks a cluster for, and which GPU a seed gets where there are several. On one machine nothing is limited
# by these numbers: there, `--cores` alone says how many notebooks run at the same time.

# Minutes where a GPU trains, minutes on CPU cores, GB of memory: room to spare, because a job that is cut off goes on at
# its last epoch but has to queue again. Measured are the quick profile's minutes on two cores (notebook 03: 8, 05: 7,
# 04: 34, 07: 45); the paper profile's follow from its epochs, those of a GPU and the memory are estimates.
PAPER = {
    "untrained": (30, 30, 8),
    "resnet50_mlp": (120, 480, 12),
    "resnet50_mlp_variant": (180, 960, 12),  # "from_scratch" trains the whole trunk
    "baseline_cnn": (120, 480, 12),
    "resnet_svm": (480, 960, 32),  # its support vector machines are trained on CPU cores in any case
    "lenet_study": (240, 240, 8),
    "comparators": (480, 1440, 32),
    "report": (30, 30, 8),
    "page": (20, 20, 6),
}
QUICK = {
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
TRAINED = ("resnet50_mlp", "resnet50_mlp_variant", "baseline_cnn", "resnet_svm", "comparators")  # what gains from a GPU
GPUS = 0 if PROFILE == "smoke" else ASKED.gpus  # of a training; 0: the cluster has none

# Several notebooks may share a GPU: none of them takes all its memory at the start.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
DEVICES = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")


def resources_of(rule):
    """Returns a rule's resources, in the words of Snakemake's SLURM plugin; each further attempt gets half as much again.

    `cpus_per_task` and not `threads`, which would limit how many notebooks run side by side on one machine.
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
    """Returns which of several GPUs in CUDA_VISIBLE_DEVICES a seed or variant gets, by turns; "" leaves it as it is."""
    turns, name = [*SEEDS, *VARIANTS], wildcards.get("variant", wildcards.seed)
    turn = turns.index(name) if name in turns else int(wildcards.seed)
    return f"CUDA_VISIBLE_DEVICES={DEVICES[turn % len(DEVICES)]}" if len(DEVICES) > 1 else ""
