"""Names of the expressions, and the other words for them in releases, tutorials and networks."""

from __future__ import annotations

#: The expressions, in the order of FER-2013's codes, then contempt, which CK+ adds.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

_OTHER_WORDS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "surprise": ("surprised",),
    "neutral": ("neutrality",),
    "contempt": ("contemptuous",),
}

#: The expression by each word for it, in lower case.
EXPRESSION_OF = {word: name for name in EXPRESSIONS for word in (name, *_OTHER_WORDS[name])}
