"""`make replicate` and `make report`: check the variables that the user gave to make, then call Snakemake."""

import os
import sys
from pathlib import Path

from snakemake import cli

sys.path.insert(0, os.getcwd())  # the library of this folder

from fer_lib.errors import FerError
from fer_lib.settings import arguments
from fer_lib.utils import state

CLUSTERS = sorted(path.parent.name for path in Path("workflow/profiles").glob("*/config.yaml"))


def main(target=""):
    """Run the chain, or only the report (`target` "report") from the results that exist."""
    os.environ.update(arguments.from_make(os.environ))
    if os.environ.get("FER_DATA") and not os.environ.get("FER_PROFILE"):  # real data asks for the real experiment
        os.environ["FER_PROFILE"] = "paper"
        print("PROFILE is paper because FER_DATA is given; PROFILE=quick is the version of a few epochs.")
    asked = arguments.read({})
    project, output = Path.cwd(), Path(os.environ.get("FER_OUTPUT", "")).expanduser().absolute()
    if cluster := os.environ.get("CLUSTER", ""):
        arguments.one_of("CLUSTER", cluster, CLUSTERS)
    jobs = arguments.jobs(os.environ.get("JOBS", ""), profile=asked.profile)
    results, figures = (
        Path(os.environ.get("FER_OUTPUT", "")).expanduser() / kind / asked.profile for kind in ("results", "figures")
    )
    # --nolock: a run that was killed must go on with the same command; rules/one_run.smk locks instead
    words = ["--rerun-incomplete", "--nolock"]
    if target == "report":
        if not results.is_dir():
            raise FerError(f"No such folder: {results}; run `make replicate PROFILE={asked.profile}` first.")
        words = ["page", "--forcerun", "report", "--allowed-rules", "report", "page", *words]
    if cluster:
        words += [
            "--workflow-profile",
            f"workflow/profiles/{cluster}",
            *(["--jobs", str(jobs)] if os.environ.get("JOBS") else []),
        ]
    else:
        words += ["--quiet", "host", "reason", "rules", "--cores", str(jobs)]
    enter(state.work_folder(project, output), asked, output)
    try:
        cli.main(words)
    except SystemExit as end:
        if end.code:
            raise
    os.chdir(project)
    print(f"Report:  {results / 'report.html'}\nTables:  {results / 'tables'}\nFigures: {figures}")
    from fer_lib.report.verdict import compared  # only now: it imports the whole library

    if line := compared(results, Path("results", "reference", asked.profile)):
        print(line)


def enter(folder, asked, output):
    """Go to Snakemake's folder; if it is not the project's own, relative paths become absolute before."""
    os.environ.update(state.environment(output))
    if folder != Path.cwd():
        os.environ.update(asked.environment() | {"FER_OUTPUT": str(output)})
        for name in ("FER_CACHE", state.VARIABLE):
            if os.environ.get(name):
                os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())
        os.environ.setdefault(state.VARIABLE, str(folder.parent))
        os.chdir(folder)


try:
    main(*sys.argv[1:])
except FerError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
