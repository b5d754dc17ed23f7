#!/usr/bin/env bash
# A matplotlib figure that is saved twice gives two different pictures.
#
# Most would expect: saving a figure does not change it. The PNG for the notebook and the one for the paper, or two saved in
#   a row, are alike to the byte.
# What happens (matplotlib 3.11.2): constrained layout moves the axes at each drawing, from where the drawing before left
#   them. A heat map with a colour bar (a confusion matrix) has its final place only at the second.
# Expected before the run: equal files. Seen: the axes move by 0.17 % of the figure's width between the first and the second
#   saving and not after; the first PNG differs from the others. Two plots side by side and labelled bars move, too.
# Why it matters: pictures that are compared byte by byte, or committed, depend on how often each was drawn.
# What helps: draw once, then switch the layout off: `figure.draw_without_rendering()`, `figure.set_layout_engine("none")`.
# The script fails if the first two files are equal, or if they differ with that help.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet matplotlib==3.11.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import hashlib
import io
import sys

from matplotlib.figure import Figure


def saved(freeze):
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    figure.colorbar(axes.imshow([[24, 1], [2, 27]]), ax=axes)
    if freeze:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    files, places = [], []
    for _ in range(4):
        file = io.BytesIO()
        figure.savefig(file, format="png")
        files.append(hashlib.sha256(file.getvalue()).hexdigest()[:8])
        places.append(round(float(axes.get_position().x0), 4))
    print(f"layout frozen: {freeze}; PNG {' '.join(files)}; left edge of the axes {places}")
    return files


plain, frozen = saved(False), saved(True)
sys.exit(0 if plain[0] != plain[1] and len(set(frozen)) == 1 else "changed: a figure is saved alike each time")
EOF
