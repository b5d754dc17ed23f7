"""Test the SVM of liu2023's own features: what it learns from, and on which faces its equations are checked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fer_lib.experiments import fine_tuning
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers, equations


def test_the_svm_learns_every_view_and_the_equations_are_checked_on_the_faces_alone():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    faces = rng.normal(size=(24, 4)) + 2 * np.eye(3, 4)[labels]
    views = np.stack([faces, faces + 0.1], axis=1)
    examples = classifiers.Examples(faces, labels, np.arange(24), views)
    settings = ResNet50SvmSettings(c_grid=[1.0], gamma_grid=[1.0], search_folds=2)
    fitted, checks = fine_tuning.ckplus_svm(examples, settings=settings, seed=0)
    alone = classifiers.Examples(faces, labels, np.arange(24))
    small = classifiers.fit("resnet50_svm_rbf", alone, settings=settings, seed=0)
    assert (fitted.pipeline[0].n_samples_seen_, small.pipeline[0].n_samples_seen_) == (48, 24)
    pd.testing.assert_frame_equal(checks, equations.check_fitted(small, alone))
