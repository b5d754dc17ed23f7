"""Test that the files which install, run and describe the project agree, and that `make` does what it says.

No test installs anything: the Makefile is run against stand-ins for Python and uv that note how they were called.
"""

import ast
import hashlib
import importlib.metadata
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
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PACKAGES = {(package["name"], package["version"]): package for package in LOCK["package"] if "version" in package}
EXTRAS = ("cluster", "dev", "jax")  # that `make` installs

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


# --- pyproject.toml, uv.lock, requirements.lock, environment.yml ------------------------------------------------------


def test_the_tools_are_given_files_that_are_there():
    mutmut = PYPROJECT["tool"]["mutmut"]
    for name in ("source_paths", "only_mutate", "also_copy", "pytest_add_cli_args_test_selection"):
        for pattern in mutmut[name]:
            assert list(ROOT.glob(pattern)), pattern
    for pattern in PYPROJECT["tool"]["setuptools"]["package-data"]["fer_lib"]:
        assert list((ROOT / "fer_lib").glob(pattern)), pattern


def exported():
    """Read the marker and hashes of each (name, version) in requirements.lock."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        pin = Requirement(requirement)
        found[canonicalize_name(pin.name), next(iter(pin.specifier)).version] = pin.marker, set(hashes)
    return found


def reachable():
    """List the names and versions in uv.lock that the project with `EXTRAS` can install on any platform."""
    (own,) = (package for package in LOCK["package"] if package["name"] == PROJECT["name"])
    asked = [*own["dependencies"], *(need for extra in EXTRAS for need in own["optional-dependencies"][extra])]
    seen = set()
    while asked:
        need = asked.pop()
        versions = [key for key in PACKAGES if key[0] == need["name"] and need.get("version", key[1]) == key[1]]
        for key in versions:
            extras = need.get("extra", [])
            if (key, tuple(extras)) not in seen:
                seen.add((key, tuple(extras)))
                optional = PACKAGES[key].get("optional-dependencies", {})
                asked += [*PACKAGES[key].get("dependencies", []), *(n for extra in extras for n in optional[extra])]
    return {key for key, _ in seen}


def test_the_exported_lock_is_in_step_with_uv_lock():
    """After a change of pyproject.toml: run the two commands in its comment on extras."""
    pins = exported()
    assert set(pins) == reachable()
    for key, (_, hashes) in pins.items():
        package = PACKAGES[key]
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert hashes == {file["hash"] for file in files}, key


def test_uv_lock_is_in_step_with_pyproject():
    (own,) = (package for package in LOCK["package"] if package["name"] == PROJECT["name"])

    def asked(texts):
        requirements = map(Requirement, texts)
        return {(canonicalize_name(r.name), str(r.specifier), tuple(sorted(r.extras))) for r in requirements}

    expected = {(*need, "") for need in asked(PROJECT["dependencies"])}
    for extra, texts in PROJECT["optional-dependencies"].items():
        expected |= {(*need, extra) for need in asked(texts)}
    locked = set()
    for need in own["metadata"]["requires-dist"]:
        extra = re.search(r"extra == '(\w+)'", need.get("marker", ""))
        specifier = Requirement(f"{need['name']}{need.get('specifier', '')}").specifier
        locked.add((need["name"], str(specifier), tuple(need.get("extras", ())), extra.group(1) if extra else ""))
    assert locked == expected
    assert LOCK["requires-python"].replace(" ", "") == PROJECT["requires-python"]


def test_an_upper_bound_is_the_next_minor_version_after_the_locked_one():
    """What nobody has tried is not installed, and a bound that lags behind the lock would hold back what was."""
    needs = [(need.name, each) for need in map(Requirement, PROJECT["dependencies"]) for each in need.specifier]
    bounds = {name: each.version for name, each in needs if each.operator == "<"}
    locked = {name: Version(version) for name, version in exported() if name in bounds}
    assert sorted(locked) == ["keras", "scikit-learn"]
    assert {name: f"{each.major}.{each.minor + 1}" for name, each in locked.items()} == bounds


@pytest.mark.skipif(not Path(sys.prefix).name.endswith("-lowest"), reason="only of `make test RESOLUTION=lowest`")
def test_the_lowest_versions_are_the_lower_bounds():
    """Where one package forbids another's lower bound, uv installs a higher version and says nothing."""
    asked = sum((PROJECT["optional-dependencies"][extra] for extra in EXTRAS), PROJECT["dependencies"])
    needs = [(need.name, each) for need in map(Requirement, asked) for each in need.specifier]
    bounds = {name: each.version.split(".") for name, each in needs if each.operator == ">="}
    installed = {name: importlib.metadata.version(name).split(".") for name in bounds}
    assert {name: found for name, found in installed.items() if found[: len(bounds[name])] != bounds[name]} == {}


def test_direct_dependencies_are_there_on_every_system_and_python():
    markers = {name: marker for (name, _), (marker, _) in exported().items()}
    names = [Requirement(text).name for text in PROJECT["dependencies"]]
    assert {name: str(markers[canonicalize_name(name)]) for name in names if markers[canonicalize_name(name)]} == {}
    assert all(marker is None or isinstance(marker, Marker) for marker in markers.values())


def test_the_lock_has_the_opencv_without_windows():
    """Full opencv-python needs libGL, which a bare machine lacks; both packages own the same cv2 folder."""
    assert {name for name, _ in exported() if "opencv" in name} == {"opencv-python-headless"}


def test_the_lock_names_one_registry():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"py" + "pi.org", "files.python" + "hosted.org"}
    assert all(file["hash"].startswith("sha256:") for package in LOCK["package"] for file in package.get("wheels", []))


def test_extras_and_entry_point():
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"browser", "cluster", "dev", "docs", "export", "gpu", "huggingface", "jax"}
    gpu = Requirement(extras["gpu"][0])
    assert (gpu.name, gpu.extras) == ("tensorflow", {"and-cuda"})
    plain = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "tensorflow")
    assert gpu.specifier == plain.specifier
    assert PROJECT["scripts"] == {"fer-lib": "fer_lib.cli:main"}


# Jupyter brings IPython, and without a notebook it is not used; torch is a backend that a user may choose
NOT_OURS = {"IPython", "torch"}


def test_what_the_library_imports_is_declared():
    """The wheel's test installs it without dependencies, next to those that are there, so it would not miss one."""
    imported = set()
    for path in (ROOT / "fer_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    extras = [each for name, each in PROJECT["optional-dependencies"].items() if name not in ("dev", "docs")]
    declared = {Requirement(line).name.lower() for line in sum(extras, PROJECT["dependencies"])}
    names = importlib.metadata.packages_distributions()
    foreign = imported - sys.stdlib_module_names - {"fer_lib"} - NOT_OURS
    missing = {name for name in foreign if not declared & {each.lower() for each in names.get(name, [name])}}
    assert not missing
    assert len(foreign) > 25


def test_conda_installs_the_same_lock_on_the_same_pythons():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_lock = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert python.split(maxsplit=1) == ["python", PROJECT["requires-python"]]
    assert pip == "pip"
    assert from_lock == {"pip": ["-r requirements.lock"]}  # pip takes no `-e .` among hashed requirements


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
printf '%s\\036' "$(printf '[%s]' "${{0##*/}}" "$@")" >>'{log}' # one write: `make test` has two processes
case "$*" in
    *version_info*) exit {fits};;
    "-m uv --version") [ -e '{log}.uv' ];;
    *_base_executable*) echo "$0";;
    "-m venv .venv") [ {venv} = 0 ] || exit 1; mkdir -p .venv/bin; cp '{whole}' .venv/bin/python;;
    "venv "*) for last; do :; done; mkdir -p "$last/bin"; cp '{whole}' "$last/bin/python";;
    *lab.py*) printf 'data: %s' "$FER_DATA";;
    *run.py*) printf '%s|' "$PROFILE" "$FER_DATA" "$WEIGHTS" "$CLUSTER" "$GPUS" "$SEEDS" >'{log}.run';;
    *sync*) exit "${{INSTALL_EXIT:-0}}";;
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
        for name in ("Makefile", "pyproject.toml", "uv.lock"):
            shutil.copy(ROOT / name, self.here)
        shutil.copytree(ROOT / "workflow", self.here / "workflow")
        for tool in ("awk", "cat", "cp", "echo", "mkdir", "mktemp", "printf", "rm", "sh"):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add("whole", folder=folder)

    def add(self, name, *, fits=True, venv=True, folder=None):
        """Add a stand-in; `fits` says whether its version is right, `venv` whether it has the venv module."""
        path = (folder or self.bin) / name
        whole = self.bin.parent / "whole"
        path.write_text(STAND_IN.format(log=self.log, fits=int(not fits), venv=int(not venv), whole=whole))
        path.chmod(0o755)

    def make(self, *arguments, **environment):
        """Run make and return its result; `.calls` are the calls of stand-ins without version checks."""
        self.log.write_text("")
        result = run_make(*arguments, cwd=self.here, PATH=str(self.bin), **environment)
        calls = self.log.read_text().split("\036")[:-1]
        result.calls = [call for call in calls if not re.search(r"\[-c\]|\[--version\]", call)]
        return result


def run_make(*arguments, cwd, **environment):
    """Run make without the caller's variables, such as PROFILE or the flags of an outer make."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    command = [shutil.which("make"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def complaint(result):
    """Check that make failed with exactly one line that is not make's own, and return it."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if not re.match(r"g?make(\[\d+\])?:", line)]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


SYNC = "[sync][--quiet][--locked][--inexact][--python][.venv/bin/python][--extra][dev][--extra][jax][--extra][cluster]"
PIP_AND_SYNC = [
    "[python][-m][pip][install][-qq][--disable-pip-version-check][uv]",
    f"[python][-m][uv]{SYNC}",
]


@needs_make
def test_help_is_the_default_and_lists_every_target_and_variable():
    by_default, by_name = run_make(cwd=ROOT), run_make("help", cwd=ROOT)
    assert by_default.stdout == by_name.stdout
    assert by_name.returncode == 0
    listed = set(re.findall(r"^make (\w+)", by_name.stdout, flags=re.MULTILINE))
    assert listed == {"help", "install", "replicate", "test", "lab", "bench", "stress", "report", "docs"}
    variables = ["PROFILE", "FER_DATA", "FER_OUTPUT", "WEIGHTS", "TRUNK", "SEEDS", "BASELINE_SEEDS", "JOBS", "CLUSTER"]
    for variable in [*variables, "GPUS", "PYTHON", "RESOLUTION", "FER_STATE", "JUNIT"]:
        assert f"\n  {variable} " in by_name.stdout
    assert len((ROOT / "Makefile").read_text().splitlines()) <= 90


@needs_make
@pytest.mark.parametrize("found", ["python3.11", "python3.12", "python3.13", "python3", "python"])
def test_install_without_uv_then_nothing_to_do(workshop, found):
    for name in ("python3.11", "python3"):
        workshop.add(name, fits=False)  # a pyenv shim without a Python behind it also exists, and fails
    workshop.add(found)
    first = workshop.make("install")
    assert first.returncode == 0, first.stderr
    assert first.calls == [f"[{found}][-m][venv][.venv]", *PIP_AND_SYNC]
    second = workshop.make("install")
    assert (second.returncode, second.calls) == (0, [])


@needs_make
def test_install_with_uv_needs_no_venv_module(workshop):
    workshop.add("python3.13", venv=False)
    workshop.add("uv")
    result = workshop.make("install")
    assert result.returncode == 0, result.stderr
    python = workshop.bin / "python3.13"
    assert result.calls == [f"[uv][venv][--quiet][--allow-existing][--seed][--python][{python}][.venv]", f"[uv]{SYNC}"]


@needs_make
def test_the_lowest_versions_are_tested_in_an_environment_of_their_own(workshop):
    workshop.add("python3.11")
    workshop.add("uv")
    result = workshop.make("test", "RESOLUTION=lowest", "PYTEST_FLAGS=-x")
    assert result.returncode == 0, result.stderr
    python = workshop.bin / "python3.11"
    lowest = "[--python][.venv-lowest/bin/python][--resolution][lowest-direct][-e][.[dev,jax,cluster]]"
    assert result.calls == [
        f"[uv][venv][--quiet][--allow-existing][--seed][--python][{python}][.venv-lowest]",
        f"[uv][pip][install][--quiet][--upgrade]{lowest}",
        "[python][-m][pytest][-x]",  # no lint: its rules belong to the locked versions
    ]
    assert not (workshop.here / ".venv").exists()
    assert workshop.make("install", RESOLUTION="lowest").calls[-1] == f"[uv]{SYNC}"  # of somebody's environment
    assert complaint(workshop.make("test", "RESOLUTION=low")).startswith("RESOLUTION=low is unknown: give lowest")


@needs_make
@pytest.mark.parametrize("changed", ["uv.lock", "pyproject.toml"])
def test_a_change_installs_again_into_the_same_environment(workshop, changed):
    workshop.add("python3.12")
    workshop.make("install")
    Path(f"{workshop.log}.uv").touch()  # uv is in .venv now
    later = (workshop.here / ".venv/.installed").stat().st_mtime + 10
    os.utime(workshop.here / changed, (later, later))
    assert workshop.make("install").calls == PIP_AND_SYNC[1:]


@needs_make
@pytest.mark.parametrize("spoilt", ["interrupted", "killed", "moved", "unsuitable", "gone"])
def test_a_spoilt_environment_is_made_again(workshop, spoilt):
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
    assert result.calls == ["[python3.12][-m][venv][.venv]", *PIP_AND_SYNC]
    assert "Making .venv again" in result.stdout
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
    assert workshop.make("install").calls == PIP_AND_SYNC


@needs_make
def test_without_a_fitting_python(workshop):
    workshop.add("python3", fits=False)
    assert "No Python 3.11, 3.12 or 3.13 is on the PATH" in complaint(workshop.make("test"))
    assert complaint(workshop.make("test", "PYTHON=python3")).startswith("PYTHON=python3 is not a Python that works")
    assert not (workshop.here / ".venv").exists()
    workshop.add("python3.12", venv=False)
    assert "install python3-venv, or uv" in complaint(workshop.make("test"))


@needs_make
def test_the_chain_gets_what_the_user_typed(workshop):
    workshop.add("python3.12")
    given = ['PROFILE=it\'s "x" $$HOME', "FER_DATA=my data: #1", "WEIGHTS=~/w.h5", "SEEDS=0 1"]
    result = workshop.make("replicate", *given, GPUS="8", CLUSTER="made up")  # of a cluster's own environment
    assert result.calls[-1] == "[python][workflow/run.py]"
    told = Path(f"{workshop.log}.run").read_text()
    assert told == 'it\'s "x" $HOME|my data: #1|~/w.h5|||0 1|'
    assert workshop.make("report", "GPUS=0", "CLUSTER=slurm").calls[-1] == "[python][workflow/run.py][report]"
    assert Path(f"{workshop.log}.run").read_text() == "|||slurm|0||"


@needs_make
def test_flags_reach_pytest_and_lab(workshop):
    workshop.add("python3.12")
    assert workshop.make("test", "PYTEST_FLAGS=-k packaging -x").calls[-4:] == [
        "[python][-m][ruff][check][.]",
        "[python][-m][ruff][format][--check][.]",
        "[python][-m][mypy][--no-error-summary]",
        "[python][-m][pytest][-k][packaging][-x]",
    ]
    told = [call for call in workshop.make("test", "JUNIT=my reports").calls if "junitxml" in call]
    assert sorted(call.rpartition("[--")[2] for call in told) == [
        "junitxml=my reports/chain.xml]",
        "junitxml=my reports/others.xml]",
    ]
    lab = workshop.make("lab", "LAB_FLAGS=--no-browser", "FER_DATA=my data")
    assert lab.calls == ["[python][workflow/lab.py][--no-browser]"]
    assert lab.stdout == f"data: {workshop.here}/my data"


def test_ci_runs_make_test():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "make test"
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["test"] if "test" in workflow["jobs"] else next(iter(workflow["jobs"].values()))
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["steps"][-1]["run"] == ".ci/run"


# --- what is committed ------------------------------------------------------------------------------------------------


def hook_entry(name):
    """Read a pre-commit hook's command as a list, with the Python that runs the tests in place of .venv's."""
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


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("Add a test\n\nA body may be as long as it needs to be, for as many lines as there are to say.\n", ""),
        ("x" * 73, "73 characters"),
        ("Add a test.\n", "period"),
        ("# a comment\n\nfixup! " + "x" * 80, ""),
        ("", ""),
    ],
)
def test_commit_subjects_are_short(tmp_path, message, refused):
    (tmp_path / "message").write_text(message, encoding="utf-8")
    hooked = subprocess.run(
        [*hook_entry("commit-subject"), str(tmp_path / "message")], capture_output=True, text=True, check=False
    )
    assert hooked.returncode == bool(refused), hooked.stderr
    assert refused in hooked.stderr


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
    """List the paths of all tracked files that exist."""
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
        if (match := re.search(pattern.encode(), path.read_bytes())) and path.name != "uv.lock"
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
    """Give the bytes a file may have: reports and notebooks contain figures, predictions have a row for each face."""
    if name.startswith("fer_lib/predict/own_network/"):  # tests/predict/test_packaged.py holds the folder to 6 MB
        return 6_000_000
    if name.startswith("results/") and name.endswith((".ipynb", ".csv", ".npz", ".html")):
        return 1_600_000
    return 1_000_000 if name.endswith((".lock", ".ipynb")) else 600_000


def test_tracked_files_are_small(tracked_files):
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked_files}
    assert {name: size for name, size in sizes.items() if size > limit(name)} == {}
    contents = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in tracked_files}
    assert sum(contents.values()) < 26_000_000  # what is the same to the byte is once in the repository
