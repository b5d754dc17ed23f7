#!/usr/bin/env bash
# execute.sh PYTHON NOTEBOOK EXECUTED [-p NAME VALUE ...]: run a notebook with papermill into a temporary file, strip what
# differs from run to run, the progress of trainings, the cell for Colab and Kaggle and the links to other notebooks (which
# lead nowhere from a results folder), then move it into place. papermill's log contains every output; sed shows the ends of
# epochs and, if a cell fails, everything from there on.
# Messages of a kernel that shuts down are no failure.
set -euo pipefail
python=$1 notebook=$2 executed=$3
shift 3
name=$(basename "$executed" .ipynb)
echo "Notebook: $name"
# A job may still run after the process that submitted it was killed; a second job of this notebook then waits for it.
# The system releases the lock when the job ends, however it ends. Without `flock`, or on a disk without locks, none.
if command -v flock >/dev/null && exec 9>"$(dirname "$executed")/.$name.lock"; then
    status=0
    flock --nonblock 9 || status=$?
    if [ "$status" = 1 ]; then # held by another; any other status means that there are no locks here
        echo "$name: another job still runs it; waiting for its end." >&2
        flock 9
    fi
fi
unset JPY_SESSION_NAME # a run that a notebook starts inherits it, and would log no lines
"$python" -m papermill "$notebook" "$executed.partial.ipynb" --kernel python3 --log-output --no-progress-bar "$@" 2>&1 |
    sed -unE -e '/Event loop is closed/d' -e '/Error/,$p' -e '/^(epoch|resumed|fold|comparator|lenet|depth) /p' || {
    echo "$name stopped; as far as it came: $executed.partial.ipynb" >&2
    exit 1
}
"$python" -m nbstripout --keep-output --keep-count --keep-id --drop-tagged-cells "links hosted" \
    --extra-keys "metadata.papermill metadata.language_info.version \
    cell.metadata.papermill cell.metadata.execution" "$executed.partial.ipynb"
"$python" "$(dirname "$0")/tidy.py" "$executed.partial.ipynb"
mv "$executed.partial.ipynb" "$executed"
