"""liu2023, Table 3, "CSPL + SVM": common and specific patch learning (Zhong et al., CVPR 2012)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fer_lib.comparators import lbp
from fer_lib.comparators.base import Comparator, Part, from_decisions, resized
from fer_lib.comparators.patch_selection import select
from fer_lib.datasets.splits import sample
from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers

SIZE, GRID, PATTERNS = 96, 8, "nri_uniform"  # 96×96 faces, 8×8 patches, 59 bins each
SELECTION_FACES = 5000  # of a larger corpus, the patches are selected on a sample of this many faces


class CsplSvm(Comparator):
    """An SVM on histograms of uniform local binary patterns, in patches that multi-task sparse learning selects.

    Tuning budget: eight penalties of the multi-task lasso and the pairs of C and gamma of ResNet-50 + SVM (twelve, and
    more where the best lies on an edge of the grid), each on three folds of the training faces that keep subjects
    together, on 5,000 of them at most.

    Args:
        seed: fixes the folds and the faces that are searched on.
        common_patches: the largest number of patches for all expressions.
        specific_patches: the largest number of patches for each expression.
    """

    name = "cspl_svm"
    title = "CSPL + SVM"
    source = "Zhong, Liu, Yang, Liu, Huang and Metaxas, CVPR 2012"
    differs = (
        "in the style of: the lasso takes patches as a whole through discriminants of theirs; an expression's specific "
        "patches come from what the common ones leave unexplained, not from a coupling with face verification, since "
        "FER-2013 names nobody; one SVM (RBF) of all classes on all patches selected"
    )
    tuning = "8 penalties of the lasso, 12 pairs of C and γ, more at an edge; three folds, people kept together"
    is_network = False

    def __init__(self, seed: int = 0, *, common_patches: int = 20, specific_patches: int = 4) -> None:
        self.seed = seed
        self.common_patches = common_patches
        self.specific_patches = specific_patches

    def _fit(self, images: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> None:
        histograms = _histograms(images)
        some = sample(codes, SELECTION_FACES, seed=self.seed)
        found = select(
            histograms[some],
            codes[some],
            groups=None if groups is None else groups[some],
            most=(self.common_patches, self.specific_patches),
            seed=self.seed,
        )
        self.patches_ = found.union
        self.common_patches_, self.specific_patches_ = found.common, found.specific
        examples = classifiers.Examples(self._taken(histograms), codes, groups)
        # the same SVM and search as for ResNet-50 + SVM
        self.fitted_ = classifiers.fit_fer2013(
            "resnet50_svm_rbf", examples, settings=ResNet50SvmSettings(), seed=self.seed
        )

    def _taken(self, histograms: np.ndarray) -> np.ndarray:
        return histograms[:, self.patches_].reshape(len(histograms), -1)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return from_decisions(classifiers.decision(self.fitted_, self._taken(_histograms(images))))

    def _parts(self) -> dict[str, Part]:
        specific = {f"specific{code}": patches for code, patches in enumerate(self.specific_patches_)}
        return {"svm": self.fitted_.pipeline, "common": self.common_patches_, **specific}

    def _restore(self, parts: Mapping[str, Part]) -> None:
        self.common_patches_ = parts["common"]
        self.specific_patches_ = tuple(parts[f"specific{code}"] for code in range(len(self.classes_)))
        self.patches_ = np.unique(np.concatenate([self.common_patches_, *self.specific_patches_]))
        self.fitted_ = classifiers.Fitted(self.name, parts["svm"], {})


def _histograms(images: np.ndarray) -> np.ndarray:
    """Compute the histograms of faces uint8 (N, H, W): float32 (N, 64, 59)."""

    def patches(faces: np.ndarray) -> np.ndarray:
        return lbp.grid_histograms(lbp.codes(resized(faces, SIZE), PATTERNS), lbp.BINS[PATTERNS], grid=GRID)

    return lbp.by_batches(patches, images)
