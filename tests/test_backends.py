"""Test that the library needs only Keras 3: every test runs under TensorFlow, some tiny trainings under JAX and torch.

The trainings are those of models, comparators and `training`, one of each kind that a backend has a part in. The
project does not install torch; its test is skipped where it is missing, and a weekly CI job installs it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True
    )


# Trainings that a backend has a part in, each kind once and tiny: XLA compiles each model for seconds, ResNet50 and
# bfloat16 for minutes.
CHOSEN = [
    "tests/test_training.py::test_a_resumed_run_ends_with_the_same_bits[1]",
    "tests/test_training.py::test_a_loss_that_is_no_number_stops_with_the_epoch",
    "tests/test_training.py::test_a_tail_is_trained_and_resumed_with_the_same_bits[openvino]",
    "tests/models/test_initial_state.py::test_every_further_training_gives_the_numbers_of_a_new_network",
    "tests/experiments/test_lenet_study.py::test_it_learns_and_the_row_is_of_the_best_validation",
    "tests/comparators/test_comparator_networks.py::test_training_stops_early_where_faces_are_held_out",
    "tests/comparators/test_comparator_networks.py::test_label_smoothing_reaches_the_loss_of_a_frozen_trunks_tail",
    "tests/comparators/test_comparator_parts.py::test_a_network_starts_with_what_the_belief_networks_learnt",
    "tests/comparators/test_comparator_parts.py::test_a_small_network_stops_where_the_held_out_faces_are_told_best",
]
TRAINING = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *CHOSEN]


def test_tiny_trainings_pass_under_jax(tmp_path):
    # a program is compiled once, and in a third of the time: what runs for milliseconds need not be made fast
    quick = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = run_python(*TRAINING, KERAS_BACKEND="jax", JAX_DISABLE_MOST_OPTIMIZATIONS="1", **quick)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"^{len(CHOSEN)} passed", done.stdout, re.M), done.stdout[-300:]


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_tiny_trainings_pass_under_torch():
    done = run_python(*TRAINING, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"^{len(CHOSEN)} passed", done.stdout, re.M), done.stdout[-300:]


def test_under_jax_nothing_imports_tensorflow():
    code = (
        "import sys; from fer_lib import training, artifacts; from fer_lib.report import chen2023;"
        "from fer_lib.models import resnet50_mlp;"
        "from fer_lib.backend import keras; assert keras.backend.backend() == 'jax';"
        "assert 'tensorflow' not in sys.modules, 'TensorFlow was imported'"
    )
    done = run_python("-c", code, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr[-2000:]


def test_tensorflow_is_imported_without_jax_which_stays_importable():
    code = (
        "import gc, sys; from fer_lib import backend; assert backend.keras.backend.backend() == 'tensorflow'; "
        "assert 'jax' not in sys.modules and gc.isenabled(); import jax; assert jax.numpy.ones(2).sum() == 2"
    )
    done = run_python("-c", code, KERAS_BACKEND="tensorflow")
    assert done.returncode == 0, done.stderr
