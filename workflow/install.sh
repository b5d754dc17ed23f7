#!/bin/sh
# install.sh: install uv.lock and this project into .venv, for `make`; install.sh --check: say whether that is done.
# uv is taken from the PATH, or else installed into .venv by pip. PYTHON may name the Python that makes .venv.
# RESOLUTION=lowest installs the lowest versions that pyproject.toml allows instead of the lock, into .venv-lowest.
set -u
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
venv=.venv${RESOLUTION:+-$RESOLUTION}
python=$venv/bin/python stamp=$venv/.installed busy=$venv/.installing

fail() {
    printf '%s\n' "$*" >&2
    exit 2
}

# The stamp contains the folder that .venv was made in: where .venv has moved, it does not count.
here() { [ "$(cat $stamp 2>/dev/null)" = "$(pwd -P)" ]; }
works() { "$1" -c "$fits" >/dev/null 2>&1; }
has_uv() { uv --version >/dev/null 2>&1; }

if [ "${1-}" = --check ]; then
    here && works $python && echo yes
    exit 0
fi
[ "${RESOLUTION:-lowest}" = lowest ] || fail "RESOLUTION=$RESOLUTION is unknown: give lowest, or none for the lock."
if [ -e $busy ] && kill -0 "$(cat $busy)" 2>/dev/null; then
    fail "Another make (process $(cat $busy)) is installing into $venv: wait for it, or remove $venv."
fi

# An interrupted install may have left half a package that counts as a whole one: then .venv is made again.
if [ -e $busy ] || ! works $python || { [ -e $stamp ] && ! here; }; then
    if [ "${PYTHON-}" ]; then set -- "$PYTHON"; else set -- python3.11 python3.12 python3.13 python3 python; fi
    found=
    for name; do works "$name" && found=$name && break; done
    [ "$found" ] || [ -z "${PYTHON-}" ] ||
        fail "PYTHON=$PYTHON is not a Python that works here: name a Python 3.11, 3.12 or 3.13."
    [ "$found" ] || fail "No Python 3.11, 3.12 or 3.13 is on the PATH: install one, or name it with PYTHON=/path/to/python."
    base=$("$found" -c 'import sys; print(sys._base_executable)') # .venv itself may be active, and goes
    [ ! -e "$venv" ] || echo "Making $venv again: it was left unfinished, has moved, or is not of Python 3.11 to 3.13."
    rm -rf "$venv"
    mkdir "$venv" && echo $$ >$busy
    if has_uv; then uv venv --quiet --allow-existing --seed --python "$base" "$venv"; else "$base" -m venv "$venv"; fi ||
        fail "$found could not make $venv, for the reason above (on Debian and Ubuntu, install python3-venv, or uv)."
fi
echo $$ >$busy
echo "Installing ${RESOLUTION:-uv.lock} into $venv (4 GB; a minute or two the first time) ..."
if has_uv; then
    set -- uv
else
    set -- $python -m uv
    $python -m uv --version >/dev/null 2>&1 || $python -m pip install -qq --disable-pip-version-check uv
fi
if [ "${RESOLUTION-}" ]; then
    set -- "$@" pip install --quiet --upgrade --python $python --resolution lowest-direct -e '.[dev,jax,cluster]'
else
    set -- "$@" sync --quiet --locked --inexact --python $python --extra dev --extra jax --extra cluster
fi
UV_PROJECT_ENVIRONMENT=$venv "$@" || {
    [ $? -gt 128 ] || rm $busy
    fail "The install failed for the reason above; to go on from there, repeat the command."
}
pwd -P >$stamp
rm $busy
