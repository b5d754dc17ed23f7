"""Numbers that public copies of a notebook print whose network is nearly that of chen2023.

The notebook "Emotion recognition with ResNet50" is public on Kaggle, https://www.kaggle.com/code/ followed by
yasserhessein/emotion-recognition-with-resnet50, and in a repository of its author,
https://github.com/yasserhessein/Emotion-recognition-with-resnet50 (commit 2106ed8 of 20 March 2021). It trains ResNet50
with ImageNet's weights on FER-2013, 48x48 pixels divided by 255, all layers frozen but the last four, with the head of
section 2.2 except for the dropout before the last layer. It compiles the model with Keras' binary accuracy under the
name "accuracy". ``docs/decisions.md`` says what follows for hypothesis 1 and what does not.
"""

from __future__ import annotations

import pandas as pd

# source, epochs, part, loss (nats), the printed "accuracy" (binary), and categorical accuracy where it is printed
_LOGS = (
    ("metamo", 60, "training", 1.7649, 0.8571, 0.2765),
    ("metamo", 60, "validation", 1.7542, 0.8571, 0.2743),
    ("Research-project", 60, "training", 1.7670, 0.8571, None),
    ("Research-project", 60, "validation", 1.7680, 0.8571, None),
)
SOURCES = {
    "metamo": "https://github.com/ChngYuanLongRandy/metamo/blob/bcea6d6/emotion-recognition-with-resnet50.ipynb",
    "Research-project": (
        "https://github.com/ELANGOSTUDENT/Research-project/blob/fe46a4c/emotion-recognition-with-resnet50.ipynb"
    ),
}
"""The notebooks with the logs. A second file of metamo contains the log of Research-project too, so that it may be that
of the notebook's author, whose own copies contain none."""


def logs() -> pd.DataFrame:
    """Tabulate the last epoch of each log, training and validation.

    Returns:
        ``source`` (a key of ``SOURCES``), ``epoch``, ``part``, ``loss`` in nats, ``binary_accuracy`` (printed as
        "accuracy") and ``categorical_accuracy`` (missing where the log has none).
    """
    columns = ["source", "epoch", "part", "loss", "binary_accuracy", "categorical_accuracy"]
    return pd.DataFrame(_LOGS, columns=columns).astype({"categorical_accuracy": float})
