# One run at a time writes into a results folder. The system lets go of this lock when the run ends, however it ends;
# Snakemake's own (left out by --nolock) would outlive a run that was killed.

import fcntl

RUNNING = []  # what it holds


def held_alone(folder):
    """Returns a file that this process holds alone until it ends; raises WorkflowError where another run has it."""
    try:
        os.makedirs(folder, exist_ok=True)
        held = open(os.path.join(folder, ".running"), "w")
    except OSError as error:
        raise WorkflowError(
            f"{folder} cannot be written ({error.strerror}): give another folder as FER_OUTPUT."
        ) from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkflowError(
            f"Another run is writing into {folder}: wait until it has ended, or give another folder as FER_OUTPUT."
        ) from None
    except OSError:  # a file system without locks
        pass
    return held


onstart:
    RUNNING.append(held_alone(RESULTS))
    print(f"Profile {PROFILE}. {SETTINGS.description}", file=sys.stderr)


onerror:
    print("Stopped. What is whole is kept, and the same command goes on from there.", file=sys.stderr)
