#!/usr/bin/env bash
# execute.sh PYTHON NOTEBOOK EXECUTED [-p NAME VALUE ...]: papermill executes a notebook beside its place; when it is whole
# it moves there, without what would differ from run to run. Of papermill's log, which holds every output, sed shows the
# epochs as they end and, if a cell fails, everything from there on; what a kernel says as it is shut down is no failure.
set -euo pipefail
python=$1 notebook=$2 executed=$3
shift 3
name=$(basename "$executed" .ipynb)
echo "Notebook: $name"
"$python" -m papermill "$notebook" "$executed.partial.ipynb" --kernel python3 --log-output --no-progress-bar "$@" 2>&1 |
    sed -unE -e '/Event loop is closed/d' -e '/Error/,$p' -e '/^(epoch|resumed|fold|system|lenet|depth) /p' || {
    echo "$name stopped; as far as it came: $executed.partial.ipynb" >&2
    exit 1
}
"$python" -m nbstripout --keep-output --keep-count --keep-id --extra-keys "metadata.papermill metadata.language_info.version \
    cell.metadata.papermill cell.metadata.execution" "$executed.partial.ipynb"
"$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' \
    "$executed.partial.ipynb" >>"$(dirname "$executed")/../.made" # before it has its name: see made_here.smk
mv "$executed.partial.ipynb" "$executed"
