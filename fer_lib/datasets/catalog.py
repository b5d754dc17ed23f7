"""The corpora by name, with what their owners ask of whoever uses them."""

from __future__ import annotations

#: Short name to full name, in the order in which the papers need them.
TITLES = {"fer2013": "FER-2013", "ckplus": "CK+", "genki4k": "GENKI-4K", "olivetti": "Olivetti faces"}

#: Short name to the sentence that every report on the corpus ends with.
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
        'GENKI-4K is there for public use, and its makers ask for the citation "http://mplab.ucsd.edu, The MPLab '
        'GENKI-4K Dataset"; its photos show people who were not asked by anyone here: do not publish them.'
    ),
    "olivetti": (
        "The Olivetti (ORL) faces are there for research: give credit to AT&T Laboratories Cambridge (Samaria and "
        "Harter 1994) when you use them."
    ),
}
