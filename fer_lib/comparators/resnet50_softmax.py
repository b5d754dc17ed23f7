"""ResNet-50 with SoftMax on the very features that the SVM sees (liu2023, section 3.1)."""

from __future__ import annotations

from fer_lib.comparators.resnet50_svm import ResNet50Svm


class ResNet50Softmax(ResNet50Svm):
    """A frozen ResNet-50's features and a softmax regression, its penalty searched; parameters as of the SVM."""

    name = "resnet50_softmax"
    title = "ResNet-50 + SoftMax"
    source = "liu2023, section 3.1"
    differs = "the softmax is fitted on the features of the frozen trunk, as the SVM is"
    classifier = "resnet50_softmax"
    tuning = "5 penalties; three folds, people kept together"
