"""Display names of the classifiers: tables, figures and :mod:`fer_lib.svm` share them."""

CLASSIFIERS = {
    "resnet50_svm_rbf": "ResNet-50 + SVM (RBF)",
    "resnet50_svm_linear": "ResNet-50 + SVM (linear)",
    "resnet50_svm_poly": "ResNet-50 + SVM (polynomial)",
    "resnet50_softmax": "ResNet-50 + SoftMax",
    "pixels_svm": "pixels + SVM (RBF)",
    "class_priors": "most frequent class",
}
