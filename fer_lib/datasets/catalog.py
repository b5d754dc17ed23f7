"""Names, titles and licence terms of the corpora."""

from __future__ import annotations

#: Titles by short name, in the order in which the papers need the corpora.
TITLES = {"fer2013": "FER-2013", "ckplus": "CK+", "genki4k": "GENKI-4K", "olivetti": "Olivetti faces"}

#: The same, with those of what is no corpus of the papers.
NAMES = {**TITLES, "colour": "faces in colour"}

#: The corpora that `fer-lib data fetch` can download; CK+ comes from its owners only.
FETCHABLE = ("fer2013", "genki4k", "olivetti")

#: Licence terms by short name; every report on a corpus ends with them.
TERMS = {
    "fer2013": (
        "FER-2013 was released for the ICML 2013 challenge (Goodfellow et al. 2013): use it for research, under the "
        "terms of the Kaggle competition, and do not publish its faces."
    ),
    "ckplus": (
        "CK+ (Lucey et al. 2010) is given for non-commercial research to those who signed its agreement with the "
        "Affect Analysis Group of the University of Pittsburgh: do not pass it on, and publish only faces of the "
        "subjects who consented."
    ),
    "genki4k": (
        'GENKI-4K is available for public use, and its makers ask for the citation "http://mplab.ucsd.edu, The MPLab '
        'GENKI-4K Dataset"; nobody here asked the people in its photos: do not publish them.'
    ),
    "olivetti": (
        "The Olivetti (ORL) faces are available for research: give credit to AT&T Laboratories Cambridge (Samaria and "
        "Harter 1994) when you use them."
    ),
}

#: What every table, figure and answer made from generated faces says.
SYNTHETIC_MARK = "SYNTHETIC: generated faces"
