#!/usr/bin/env bash
# A package for checking internationalised addresses makes every notebook tool start seconds later.
#
# Most would expect: `import jsonschema` takes a tenth of a second, with whatever extras are installed; a format that no
#   schema asks for costs nothing.
# What happens (jsonschema 4.26.0, rfc3987-syntax 1.1.0): jsonschema imports the package for the format "iri" if it is
#   installed, and that import builds a parser from a grammar. JupyterLab installs it (jupyter-events asks for the extra
#   `format-nongpl`), and nbformat imports jsonschema, so papermill, nbstripout, nbval and Snakemake all wait for it.
# Expected before a profile showed it: no difference. Seen on two cores: 2.68 s with the package and 0.18 s without, 15 times.
# What helps: leave rfc3987-syntax out (uv: `override-dependencies`). jsonschema then accepts every string as an IRI.
# The script fails if the import takes less than 3 times as long.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0
seconds() {
    "$folder/venv/bin/python" - <<'EOF'
import subprocess, sys, time

taken = []
for _ in range(6):
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import jsonschema"], check=True)
    taken.append(time.perf_counter() - started)
print(min(taken[1:]))
EOF
}
with=$(seconds)
"$folder/venv/bin/pip" uninstall --quiet --yes rfc3987-syntax
without=$(seconds)
"$folder/venv/bin/python" -c "
print(f'python -c \"import jsonschema\": {$with:.2f} s with rfc3987-syntax, {$without:.2f} s without: {$with / $without:.1f} times')
raise SystemExit(0 if $with >= 3 * $without else 'changed: the import takes about the same time')"
