# Only one run at a time may write into a results folder. The operating system releases this lock when the process ends,
# even if it is killed; Snakemake's own lock (switched off by --nolock) would remain after a kill.

from filelock import FileLock, Timeout

LOCK = FileLock(os.path.join(RESULTS, ".running"))


def lock_results():
    """Lock the results folder until this process ends; raise WorkflowError if another run has locked it."""
    try:
        os.makedirs(RESULTS, exist_ok=True)
        LOCK.acquire(blocking=False)
    except Timeout:
        raise WorkflowError(
            f"Another run is writing into {RESULTS}: wait until it has ended, or give another folder as FER_OUTPUT."
        ) from None
    except NotImplementedError:  # the file system has no locks
        pass
    except OSError as error:
        raise WorkflowError(
            f"{RESULTS} cannot be written ({error.strerror}): give another folder as FER_OUTPUT."
        ) from None


onstart:
    lock_results()
    print(f"Profile {PROFILE}. {ASKED.settings.description}", file=sys.stderr)


onerror:
    print("Stopped. What is whole is kept, and the same command goes on from there.", file=sys.stderr)
