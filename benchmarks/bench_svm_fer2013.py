"""The exact RBF machine of FER-2013, fitted and asked, its kernel by matrix products, beside scikit-learn's plain SVC.

Features are those of bench_svm_grid.py. ``--large 1`` adds our way on 16,000 and on all 28,709 faces to the facts;
``--plain-large 1`` the plain SVC on them too, which takes up to half an hour of one core.
"""

import sys
import time

import numpy as np
from side_by_side import alternate, arguments, projected_fer2013, ratio, report, say, seconds
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fer_lib.settings import ResNet50SvmSettings
from fer_lib.svm import classifiers, kernel_machine

C, ASKED = 10.0, 500
SIZES, LARGE = (1000, 4000), (16000, 28709)
ALIKE = 5e-3  # of decision values; the solver stops within 1e-3


class Comparison:
    """Both ways on the same faces; ``asked`` are of no training."""

    def __init__(self, taught: tuple[np.ndarray, np.ndarray], asked: np.ndarray) -> None:
        self.taught, self.asked, self.values, self.split = taught, asked, {}, {}

    def ours(self) -> None:
        """Fits and answers our way."""
        given, started = {"C": C, "gamma_multiple": 1.0}, time.perf_counter()
        fitted = classifiers.fit_with(
            "resnet50_svm_rbf", classifiers.Examples(*self.taught), parameters=given, settings=ResNet50SvmSettings()
        )
        self.split["ours"] = {"fit_seconds": round(time.perf_counter() - started, 2)}
        self.values["ours"] = classifiers.decision(fitted, self.asked)

    def usual(self) -> None:
        """Fits and answers with scikit-learn alone, in double precision, as libsvm computes."""
        started = time.perf_counter()
        plain = make_pipeline(StandardScaler(), SVC(C=C, gamma="scale", cache_size=classifiers.CACHE_MEGABYTES))
        plain.fit(self.taught[0].astype(np.float64), self.taught[1])
        self.split["usual"] = {"fit_seconds": round(time.perf_counter() - started, 2)}
        self.values["usual"] = plain.decision_function(self.asked.astype(np.float64))

    def agreement(self) -> dict[str, float]:
        """Returns how far both ways' decision values are apart; stops where that is too far, or a label differs."""
        apart = float(np.abs(self.values["ours"] - self.values["usual"]).max())
        same = float((self.values["ours"].argmax(axis=1) == self.values["usual"].argmax(axis=1)).mean())
        if apart > ALIKE or same < 1:
            sys.exit(f"Decision values differ by {apart:.2g} and {1 - same:.2%} of labels; expected the same machine.")
        return {"largest_difference": apart, "same_labels": same}


def main() -> None:
    """Runs the benchmark."""
    options = arguments(__doc__, pairs=1, faces=4000, large=0, plain_large=0)
    pool = projected_fer2013(options.data_dir, None if options.large else options.faces + ASKED)
    sizes = sorted({size for size in (*SIZES, options.faces) if size <= options.faces})
    results, facts = {}, {"growth": {}}
    for size in sizes:
        taught, asked = part(pool, size)
        both = Comparison(taught, asked)
        say(f"{size:,} faces")
        timed = alternate(both.ours, both.usual, pairs=options.pairs, warm_up=False)
        name = f"fit on {size:,} faces and answer {len(asked)}"
        results[name] = ratio(timed)
        facts["growth"][str(size)] = both.split | both.agreement()
    for size in LARGE if options.large else ():
        facts["growth"][str(size)] = large(pool, size, plain=bool(options.plain_large))
    claim = "The exact RBF machine on 2,048 features, fitted and asked, against scikit-learn's SVC: the same answers."
    facts |= {"real_faces": bool(options.data_dir), "C": C, "gamma": "scale", "cores": kernel_machine.cpu_count()}
    report("svm_fer2013", claim, results, options, **facts)


def part(pool: tuple[np.ndarray, np.ndarray], size: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Returns ``size`` faces to learn from, and the last ones to be asked (learnt too, where there are no others)."""
    features, labels = pool
    return (features[:size], labels[:size]), features[-ASKED:]


def large(pool: tuple[np.ndarray, np.ndarray], size: int, *, plain: bool) -> dict:
    """Returns the seconds of our way at that size and, where it is wanted, of the plain one."""
    taught, asked = part(pool, min(size, len(pool[0])))
    both = Comparison(taught, asked)
    facts = {"ours_seconds": round(seconds(both.ours), 1)}
    say(f"{size:,} faces: ours {facts['ours_seconds']} s")
    if plain:
        facts["usual_seconds"] = round(seconds(both.usual), 1)
        facts |= both.agreement()
    return facts | both.split


if __name__ == "__main__":
    main()
