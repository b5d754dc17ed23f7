# The results that came with the project were not made here, whatever their files' times say: git's are as new as its
# sources. The SHA-256 of each notebook that workflow/execute.sh made here stands in results/<profile>/.made; any other
# counts as older than its sources.

import contextlib

from fer_lib.utils.files import file_sha256


def brought_along(results):
    """Returns the executed notebooks in a results folder that were not made there."""
    record = Path(results, ".made")
    made = set(record.read_text().split()) if record.is_file() else set()
    found = Path(results, "notebooks").glob("*.ipynb")
    return [path for path in found if not path.stem.endswith(".partial") and file_sha256(path) not in made]


if BROUGHT := brought_along(RESULTS) if "--allowed-rules" not in sys.argv else []:  # make report takes them as they are
    with contextlib.suppress(OSError):  # where nothing can be written, one_run.smk says so
        for path in BROUGHT:
            os.utime(path, (1, 1))
    print(f"{RESULTS} was not made here; what runs replaces it (FER_OUTPUT=<folder> keeps it).", file=sys.stderr)
