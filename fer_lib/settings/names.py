"""Display names of the classifiers: tables, figures and :mod:`fer_lib.svm` share them.

``VARIANTS`` are the SVMs that are compared with each other (liu2023, section 4); not all of them can be saved.
"""

CLASSIFIERS = {
    "resnet50_svm_rbf": "ResNet-50 + SVM (RBF)",
    "resnet50_svm_linear": "ResNet-50 + SVM (linear)",
    "resnet50_svm_poly": "ResNet-50 + SVM (polynomial)",
    "resnet50_softmax": "ResNet-50 + SoftMax",
    "pixels_svm": "pixels + SVM (RBF)",
    "class_priors": "most frequent class",
}
VARIANTS = {
    "resnet50_svm_rbf": "RBF, one-vs-one",
    "resnet50_svm_linear": "linear, one-vs-one",
    "resnet50_svm_poly": "polynomial (degree searched), one-vs-one",
    "resnet50_svm_sigmoid": "sigmoid, one-vs-one",
    "resnet50_svm_nu": "ν-SVC, RBF, one-vs-one",
    "resnet50_svm_rbf_ovr": "RBF, one-vs-rest",
    "resnet50_svm_linear_ovr": "linear, one-vs-rest",
}
