"""The files that install, run and describe the project say the same thing, and `make` does what its help says.

No test installs anything: the Makefile is run against stand-ins for Python and uv that note how they were called.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fer_lib.settings import TRUNKS

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
LOCK_LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
MINORS = [minor for minor in range(30) if SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.1")]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


# --- pyproject.toml, requirements.lock, environment.yml ---------------------------------------------------------------


def direct_requirements():
    """Returns what pyproject.toml asks for by name, except the extras that the lock leaves out."""
    extras = PROJECT["optional-dependencies"]
    in_lock = [requirement for name in ("dev", "jax", "cluster") for requirement in extras[name]]
    asked = PROJECT["dependencies"] + in_lock + PYPROJECT["build-system"]["requires"]
    return [Requirement(text) for text in asked]


def test_lock_holds_exact_versions_only():
    assert len(LOCK_LINES) > 100
    pins = [Requirement(line) for line in LOCK_LINES]
    inexact = [str(pin) for pin in pins if pin.url or not re.fullmatch(r"==[\w.+!]+", str(pin.specifier))]
    assert inexact == []
    names = [canonicalize_name(pin.name) for pin in pins]
    assert names == sorted(set(names)), "the lock is not sorted, or names a package twice"


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_lock_satisfies_what_pyproject_asks_for(requirement):
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, LOCK_LINES)}
    pin = pins[canonicalize_name(requirement.name)]
    version = next(iter(pin.specifier)).version
    assert requirement.specifier.contains(version)
    assert pin.marker is None, "a direct dependency must be there on every system and Python"


def test_lock_has_the_opencv_without_windows():
    """opencv-python needs libGL, which a bare machine has not; both packages own the same cv2 folder."""
    names = {Requirement(line).name for line in LOCK_LINES}
    assert {name for name in names if "opencv" in name} == {"opencv-python-headless"}


def test_extras_and_entry_point():
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"browser", "cluster", "dev", "gpu", "jax"}
    gpu = Requirement(extras["gpu"][0])
    assert (gpu.name, gpu.extras) == ("tensorflow", {"and-cuda"})
    plain = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "tensorflow")
    assert gpu.specifier == plain.specifier
    assert PROJECT["scripts"] == {"fer-lib": "fer_lib.cli:main"}


def test_conda_installs_the_same_lock_on_the_same_pythons():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_lock = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert python.split(maxsplit=1) == ["python", PROJECT["requires-python"]]
    assert pip == "pip"
    assert from_lock == {"pip": ["-r requirements.lock", "-e ."]}


def test_make_looks_for_the_same_pythons():
    low, high = map(int, re.search(r"\(3, (\d+)\) <= sys\.version_info\[:2\] <= \(3, (\d+)\)", MAKEFILE).groups())
    assert list(range(low, high + 1)) == MINORS
    assert {int(minor) for minor in re.findall(r"python3\.(\d+)", MAKEFILE)} == set(MINORS)
    assert f"No Python 3.{MINORS[0]}, 3.{MINORS[1]} or 3.{MINORS[2]} is on the PATH" in MAKEFILE


def test_citation_describes_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["title"], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    first_authors = [reference["authors"][0]["family-names"] for reference in citation["references"]]
    assert first_authors == ["Chen", "Liu"]
    assert citation["references"][0]["doi"] == "10.54254/2755-2721/22/20231168"


# --- make, against stand-ins for Python and uv ------------------------------------------------------------------------

STAND_IN = """#!/bin/sh
printf '[%s]' "${{0##*/}}" "$@" >>'{log}'; printf '\\036' >>'{log}'
case "$*" in
    *version_info*) exit {fits};;
    *ensurepip*) exit {venv};;
    *_base_executable*) echo "$0";;
    "-m venv .venv") mkdir -p .venv/bin; cp '{whole}' .venv/bin/python;;
    venv*) [ -n "$UV_OK" ] || exit 0; mkdir -p .venv/bin; cp '{whole}' .venv/bin/python;;
    *jupyterlab*) printf 'data: %s' "$FER_DATA";;
    *snakemake*) printf '%s\036' "$FER_DATA" "$FER_WEIGHTS" "$SBATCH_ACCOUNT" >'{log}.told';;
    *"install"*"-r requirements.lock") exit "${{INSTALL_EXIT:-0}}";;
esac
"""


class Workshop:
    """A folder with the Makefile, and a PATH with nothing on it but a few tools and the stand-ins a test adds."""

    def __init__(self, folder):
        self.here = folder / "a folder with 'quotes'"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        self.here.mkdir()
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.here)
        for name in ("fer_lib/settings/profiles", "workflow"):
            shutil.copytree(ROOT / name, self.here / name)
        for tool in ("awk", "cat", "cp", "echo", "mkdir", "printf", "rm"):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add("whole", folder=folder)

    def add(self, name, *, fits=True, venv=True, folder=None):
        """Adds a stand-in: `fits` says whether its version does, `venv` whether it has the venv module."""
        path = (folder or self.bin) / name
        whole = self.bin.parent / "whole"
        path.write_text(STAND_IN.format(log=self.log, fits=int(not fits), venv=int(not venv), whole=whole))
        path.chmod(0o755)

    def make(self, *arguments, **environment):
        """Runs make and returns its result; `.calls` are the calls of stand-ins, version checks left out."""
        self.log.write_text("")
        result = run_make(*arguments, cwd=self.here, PATH=str(self.bin), UV_OK="1", **environment)
        calls = self.log.read_text().split("\036")[:-1]
        result.calls = [call for call in calls if not re.search(r"\[-c\]|\[--version\]", call)]
        return result

    def told(self):
        """Returns what the last call of snakemake found in its environment: data folder, weights, account."""
        return Path(f"{self.log}.told").read_text().split("\036")[:-1]


def run_make(*arguments, cwd, **environment):
    """Runs make with no variable of the caller's, such as PROFILE or the flags of an outer make."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    command = [shutil.which("make"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def complaint(result):
    """Returns the lines of a failed make that are not make's own; there must be exactly one."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if not re.match(r"g?make(\[\d+\])?:", line)]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


PIP_INSTALLS = [
    "[python][-m][pip][install][-qq][--disable-pip-version-check][-r][requirements.lock]",
    "[python][-m][pip][install][-qq][--disable-pip-version-check][--no-deps][--no-build-isolation][-e][.]",
]


@needs_make
def test_help_is_the_default_and_lists_every_target():
    by_default, by_name = run_make(cwd=ROOT), run_make("help", cwd=ROOT)
    assert by_default.stdout == by_name.stdout
    assert by_name.returncode == 0
    listed = set(re.findall(r"^make (\w+)", by_name.stdout, flags=re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE).group(1).split())
    assert listed == phony - {"arguments", "FORCE"}
    assert listed >= {"help", "replicate", "test", "lab", "report"}
    variables = ["PROFILE", "FER_DATA", "FER_OUTPUT", "WEIGHTS", "TRUNK", "SEEDS", "BASELINE_SEEDS", "JOBS", "CLUSTER"]
    for variable in [*variables, "GPUS", "PYTHON"]:
        assert f"\n  {variable} " in by_name.stdout


@needs_make
@pytest.mark.parametrize("target", ["help", "replicate", "test", "lab", "report", "install"])
def test_dry_run_of_every_target(target):
    result = run_make("-n", target, "PROFILE=quick", "FER_DATA=/x", cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert ("profile=quick" in result.stdout) == (target in {"replicate", "report"})


@needs_make
@pytest.mark.parametrize("found", ["python3.11", "python3.12", "python3.13", "python3", "python"])
def test_install_with_pip_then_nothing_to_do(workshop, found):
    for name in ("python3.11", "python3"):
        workshop.add(name, fits=False)  # a pyenv shim without a Python behind it also exists, and fails
    workshop.add(found)
    first = workshop.make("install")
    assert first.returncode == 0, first.stderr
    assert first.calls == [f"[{found}][-m][venv][.venv]", *PIP_INSTALLS]
    assert first.stdout.splitlines()[0].startswith("Installing requirements.lock into .venv with pip")
    second = workshop.make("install")
    assert (second.returncode, second.calls) == (0, [])


@needs_make
def test_install_with_uv_needs_no_venv_module(workshop):
    workshop.add("python3.13", venv=False)
    workshop.add("uv")
    result = workshop.make("install")
    assert result.returncode == 0, result.stderr
    python = workshop.bin / "python3.13"
    assert result.calls == [
        f"[uv][venv][--quiet][--allow-existing][--seed][--python][{python}][.venv]",
        "[uv][pip][install][--quiet][--python][.venv/bin/python][-r][requirements.lock]",
        "[uv][pip][install][--quiet][--python][.venv/bin/python][--no-deps][--no-build-isolation][-e][.]",
    ]


@needs_make
@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_change_installs_again_into_the_same_environment(workshop, changed):
    workshop.add("python3.12")
    workshop.make("install")
    later = (workshop.here / ".venv/.installed").stat().st_mtime + 10
    os.utime(workshop.here / changed, (later, later))
    assert workshop.make("install").calls == PIP_INSTALLS


@needs_make
@pytest.mark.parametrize("spoilt", ["interrupted", "killed", "moved", "unsuitable", "gone"])
def test_a_spoilt_environment_is_made_anew(workshop, spoilt):
    workshop.add("python3.12")
    venv = workshop.here / ".venv"
    if spoilt == "interrupted":
        assert workshop.make("install", INSTALL_EXIT="143").returncode != 0
    else:
        assert workshop.make("install").returncode == 0
    (venv / "old").touch()
    if spoilt == "killed":
        gone = subprocess.Popen(["true"])
        gone.wait()
        (venv / ".installing").write_text(f"{gone.pid}\n")
        (venv / ".installed").unlink()
    elif spoilt == "moved":
        workshop.here = workshop.here.rename(workshop.here.with_name("elsewhere"))
    elif spoilt == "unsuitable":
        workshop.add("python", fits=False, folder=venv / "bin")
    elif spoilt == "gone":
        (venv / "bin/python").unlink()
    result = workshop.make("install")
    assert result.returncode == 0, result.stderr
    assert result.calls == ["[python3.12][-m][venv][.venv]", *PIP_INSTALLS]
    assert "Making .venv anew" in result.stdout
    assert not (workshop.here / ".venv/old").exists()


@needs_make
def test_a_second_make_does_not_spoil_an_install_under_way(workshop):
    workshop.add("python3.12")
    (workshop.here / ".venv").mkdir()
    (workshop.here / ".venv/.installing").write_text(f"{os.getpid()}\n")
    assert f"process {os.getpid()}" in complaint(workshop.make("install"))


@needs_make
def test_a_failed_install_says_so_and_is_tried_again(workshop):
    workshop.add("python3.12")
    assert complaint(workshop.make("test", INSTALL_EXIT="1")).startswith("The install failed")
    assert workshop.make("install").calls == PIP_INSTALLS


@needs_make
def test_without_a_fitting_python(workshop):
    workshop.add("python3", fits=False)
    assert complaint(workshop.make("test")) == (
        "No Python 3.11, 3.12 or 3.13 is on the PATH: install one, or name it with PYTHON=/path/to/python."
    )
    assert complaint(workshop.make("test", "PYTHON=python3")).startswith("PYTHON=python3 is not a Python that works")
    assert not (workshop.here / ".venv").exists()


@needs_make
def test_without_the_venv_module(workshop):
    workshop.add("python3.12", venv=False)
    assert complaint(workshop.make("test")).startswith("python3.12 has no venv module: install it (on Debian")
    workshop.add("python3.13")
    assert workshop.make("install").calls[0] == "[python3.13][-m][venv][.venv]"


@needs_make
@pytest.mark.parametrize("target", ["replicate", "report"])
@pytest.mark.parametrize("profile", ["papr", "quick smoke", 'it\'s "x" $$HOME'])
def test_an_unknown_profile_fails_before_anything_is_installed(workshop, target, profile):
    workshop.add("python3.12")
    result = workshop.make(target, f"PROFILE={profile}")
    shown = profile.replace("$$", "$")
    assert complaint(result) == f"PROFILE={shown} is unknown: choose one of paper quick smoke."
    assert result.calls == []


@needs_make
def test_absent_data_fails_before_anything_is_installed(workshop):
    workshop.add("python3.12")
    result = workshop.make("replicate", "FER_DATA=no such folder")
    assert complaint(result).startswith(f"FER_DATA={workshop.here}/no such folder does not exist")
    assert result.calls == []


def snakemake_call(result):
    """Returns (options, config) of the one call of snakemake, its config as snakemake itself reads it."""
    from snakemake.cli import parse_config

    (call,) = (call for call in result.calls if call.startswith("[python][-m][snakemake]"))
    options, config = call[1:-1].split("][--config][")
    return options.split("][")[3:], parse_config(config.split("]["))


@needs_make
def test_replicate_by_default(workshop):
    workshop.add("python3.12")
    result = workshop.make("replicate")
    assert result.returncode == 0, result.stderr
    options, config = snakemake_call(result)
    given = "--snakefile Snakefile --rerun-incomplete --nolock --quiet host reason rules --cores 1"
    assert options == given.split()
    assert config == {"profile": "smoke", "seeds": 0}
    for place in ("results/smoke/report.html", "results/smoke", "figures/smoke"):
        assert re.search(rf" {place}$", result.stdout, flags=re.MULTILINE)


@needs_make
def test_replicate_passes_on_what_the_user_typed(workshop):
    workshop.add("python3.12")
    data = workshop.here / "my 'real' data: #1"
    data.mkdir()
    (workshop.here / "~").symlink_to(".")  # a literal ~ must not be what is found
    (home := workshop.here / "home").mkdir()
    (home / "w.h5").touch()
    given = ["WEIGHTS=~/w.h5", "SEEDS=0 1", "BASELINE_SEEDS=1", "JOBS=2", "DRAW_FACES=no", "TRUNK=keras-bfloat16"]
    result = workshop.make("replicate", f"FER_DATA={data}", *given, HOME=str(home))
    assert result.returncode == 0, result.stderr
    options, config = snakemake_call(result)
    assert options[options.index("--cores") + 1] == "2"
    told = {
        "profile": "paper",
        "seeds": "0 1",
        "baseline_seeds": 1,
        "trunk": "keras-bfloat16",
        "draw_faces": "no",
    }
    assert config == told
    assert workshop.told() == [str(data), str(home / "w.h5"), ""]


@needs_make
def test_a_cluster_gets_the_profile_and_no_limit_of_this_machine(workshop):
    workshop.add("python3.12")
    plain = workshop.make("replicate", CLUSTER="made up", GPUS="8")  # what a cluster's own environment may hold
    assert snakemake_call(plain)[0][-2:] == ["--cores", "1"]
    result = workshop.make("replicate", "CLUSTER=slurm", "GPUS=0", "SBATCH_ACCOUNT=mine")
    options, config = snakemake_call(result)
    assert options[-2:] == ["--workflow-profile", "workflow/profiles/slurm"]
    assert "--cores" not in options
    assert config["gpus"] == 0
    assert workshop.told() == ["", "", "mine"]
    limited = workshop.make("replicate", "CLUSTER=slurm", "JOBS=3")
    assert snakemake_call(limited)[0][-2:] == ["--jobs", "3"]


def test_make_knows_the_trunks_that_the_library_knows():
    assert f"''|{'|'.join(TRUNKS)})" in MAKEFILE


@needs_make
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("TRUNK=keras", "TRUNK=keras is unknown: give keras-float32, keras-bfloat16, openvino-float32 or openvino-"),
        ("CLUSTER=pbs", "CLUSTER=pbs is unknown: choose one of slurm, the folders of workflow/profiles."),
        ("GPUS=4", "GPUS=4 must be 0 or 1: a training uses one."),
        ("JOBS=many", "JOBS=many must be a number of notebooks, 1 or more."),
        ("BASELINE_SEEDS=0 3", "BASELINE_SEEDS=0 3 must be among SEEDS=0."),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_installed(workshop, given, said):
    workshop.add("python3.12")
    result = workshop.make("replicate", given)
    assert result.returncode == 2
    assert complaint(result).startswith(said)
    assert result.calls == []


@needs_make
def test_weights_that_are_not_there_are_said_before_anything_runs(workshop):
    workshop.add("python3.12")
    assert "WEIGHTS=w.h5 is no file: give imagenet, none" in complaint(workshop.make("replicate", "WEIGHTS=w.h5"))


@needs_make
def test_real_data_means_the_paper_profile_unless_told_otherwise(workshop):
    workshop.add("python3.12")
    note = "PROFILE is paper because FER_DATA is given; PROFILE=quick is the version of a few epochs."
    by_argument = workshop.make("replicate", "FER_DATA=.")
    by_environment = workshop.make("replicate", "PROFILE=", FER_DATA=".")
    for result in (by_argument, by_environment):
        assert note in result.stdout.splitlines()
        assert snakemake_call(result)[1]["profile"] == "paper"
    told = workshop.make("replicate", "FER_DATA=.", "PROFILE=quick")
    assert note not in told.stdout
    assert snakemake_call(told)[1]["profile"] == "quick"


@needs_make
def test_report_runs_its_own_rule_only(workshop):
    workshop.add("python3.12")
    assert "run `make replicate PROFILE=quick` first" in complaint(workshop.make("report", "PROFILE=quick"))
    (workshop.here / "my out/results/quick").mkdir(parents=True)
    result = workshop.make("report", "PROFILE=quick", "FER_OUTPUT=my out")
    assert result.stdout == "Report:  my out/results/quick/report.html\n"
    options, config = snakemake_call(result)
    assert options[:5] == ["report", "--forcerun", "report", "--allowed-rules", "report"]
    assert config["profile"] == "quick"


@needs_make
def test_flags_reach_pytest_and_lab(workshop):
    workshop.add("python3.12")
    assert workshop.make("test", "PYTEST_FLAGS=-k packaging -x").calls[-3:] == [
        "[python][-m][ruff][check][.]",
        "[python][-m][ruff][format][--check][.]",
        "[python][-m][pytest][-k][packaging][-x]",
    ]
    lab = workshop.make("lab", "LAB_FLAGS=--no-browser", "FER_DATA=my data")
    assert lab.calls == ["[python][-m][jupyterlab][--notebook-dir=notebooks][--no-browser]"]
    assert lab.stdout == f"data: {workshop.here}/my data"


def test_ci_runs_make_test():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "make test"


# --- what is committed ------------------------------------------------------------------------------------------------


def hook_entry(name):
    """Returns a pre-commit hook's command as a list, with the Python that runs the tests in place of .venv's."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    python, *rest = shlex.split(next(hook["entry"] for hook in hooks if hook["id"] == name))
    assert python == ".venv/bin/python"
    return [sys.executable, *rest]


def test_nbstripout_keeps_what_nbval_needs_and_no_more(tmp_path):
    output = nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=3)
    litter = {"papermill": {"duration": 1.5}, "execution": {"iopub.status.busy": "2026"}, "scrolled": True}
    cell = nbformat.v4.new_code_cell("x", execution_count=3, outputs=[output], metadata={"tags": ["kept"], **litter})
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    language = {"name": "python", "version": "3.11.7"}
    litter = {"papermill": {"input_path": "x"}, "widgets": {}, "vscode": {}}
    metadata = {"kernelspec": kernel, "language_info": language, **litter}
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)

    subprocess.run([*hook_entry("nbstripout"), str(path)], check=True)

    stripped = nbformat.read(path, as_version=4)
    nbformat.validate(stripped)
    assert stripped.metadata == {"kernelspec": kernel, "language_info": {"name": "python"}}
    assert stripped.cells[0].metadata == {"tags": ["kept"]}
    assert stripped.cells[0].id == cell.id
    assert stripped.cells[0].execution_count == 3
    assert stripped.cells[0].outputs == [output]


def test_notebooks_are_committed_as_the_hook_leaves_them():
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    if not notebooks:
        pytest.skip("there are no notebooks")
    check = subprocess.run(
        [*hook_entry("nbstripout"), "--verify", *notebooks], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, f"run `.venv/bin/pre-commit run --all-files` on these: {check.stdout}"


@pytest.fixture(scope="module")
def tracked_files():
    """Returns the tracked files that are there, as paths."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]


# Assembled from pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = rf"(?<![\w.-])/(?:{'wo' + 'rk'}|{'ro' + 'ot'}|(?:home|Users)/(?!you\b)\w+)/"
REGISTRY_HOSTS = "|".join(rf"\b{name}\.(?:org|com)\b" for name in ("py" + "pi", "python" + "hosted", "ana" + "conda"))


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_no_tracked_file_names(tracked_files, pattern):
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked_files
        if (match := re.search(pattern.encode(), path.read_bytes()))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        (MACHINE_PATHS, "data: /{}/main/x", True),
        (MACHINE_PATHS, '"/ho' + 'me/ann/fer"', True),
        (MACHINE_PATHS, "/home/you/fer or frame/{}/main", False),
        (REGISTRY_HOSTS, "https://files.python" + "hosted.org/x", True),
    ],
)
def test_the_scan_finds_what_it_should(pattern, text, is_found):
    assert bool(re.search(pattern, text.format("wo" + "rk"))) == is_found


def limit(name: str) -> int:
    """Bytes: a report holds its figures and styles in one page, as its notebook does; predictions have a row a face."""
    if name.startswith("results/") and name.endswith((".ipynb", ".csv", ".html")):
        return 1_600_000
    return 1_000_000 if name.endswith((".lock", ".ipynb")) else 600_000


def test_tracked_files_are_small(tracked_files):
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked_files}
    assert {name: size for name, size in sizes.items() if size > limit(name)} == {}
    contents = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in tracked_files}
    assert sum(contents.values()) < 40_000_000  # what is the same to the byte stands once in the repository
