"""ResNet-50 with SoftMax on the same features as the SVM (liu2023, section 3.1)."""

from __future__ import annotations

from fer_lib.comparators.resnet50_svm import ResNet50Svm


class ResNet50Softmax(ResNet50Svm):
    """A softmax regression on a frozen ResNet-50's features, its penalty searched; parameters as for the SVM."""

    name = "resnet50_softmax"
    title = "ResNet-50 + SoftMax"
    source = "liu2023, section 3.1"
    differs = "the softmax is fitted on the features of the frozen trunk, as the SVM is"
    classifier = "resnet50_softmax"
    tuning = "5 penalties; three folds, people kept together"
