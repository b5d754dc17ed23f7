"""Copy a trained network with its weights and give it a new last layer, for other classes."""

from __future__ import annotations

from fer_lib.backend import keras


def with_new_head(trained: keras.Model, classes: int) -> keras.Model:
    """Copy a network, uncompiled, with all of its weights but those of its last layer, which starts at random.

    Args:
        trained: a functional network whose last layer with weights is a dense one and gives an output for each class.
        classes: the number of outputs of the copy.
    """
    last = [layer for layer in trained.layers if layer.weights][-1]

    def copied(layer: keras.Layer) -> keras.Layer:
        changes = {"units": classes} if layer is last else {}
        return type(layer).from_config({**layer.get_config(), **changes})

    copy = keras.models.clone_model(trained, clone_function=copied)
    for ours, theirs in zip(copy.layers, trained.layers, strict=True):
        if theirs is not last:
            ours.set_weights(theirs.get_weights())
    return copy
