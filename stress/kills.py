"""Kills the chain by SIGKILL at random moments of every stage; what it ends with must equal an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

from stress.chain import STAGE, Chain, differences, finished, kernels_of, kill

AT_LEAST = 25  # kills of a whole run of this part
ROUNDS = 5  # of the whole chain, at most


def durations(chain: Chain, output: Path) -> dict[str, float]:
    """Runs the chain undisturbed; returns its stages' seconds, in their order."""
    process, begun = chain.start(output), {}
    said = []
    for line in process.stdout:
        said.append(line)
        if stage := STAGE.match(line):
            begun[stage[1]] = time.monotonic()
    if process.wait():
        raise RuntimeError(f"the undisturbed chain failed:\n{''.join(said[-40:])}")
    ends = [*list(begun.values())[1:], time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(begun.items(), ends, strict=True)}


def disturb(chain: Chain, output: Path, *, stages: dict[str, float], each: int, seed: int = 0) -> Counter:
    """Runs the chain until it ends, killing each stage so many times; returns the kills by stage and by who was hit.

    A moment is drawn evenly over the stage's undisturbed time. Where a resumed stage ends before, none was killed.
    """
    draw, kills = random.Random(seed), Counter()
    left = dict.fromkeys(stages, each)
    while any(left.values()):
        process, last = chain.start(output), ""
        timer, who = None, draw.choice(("all", "all", "kernel"))
        hit = threading.Event()

        def strike(stage: str, who: str = who, hit: threading.Event = hit, process=process) -> None:
            who = who if kernels_of(process) else "all"
            hit.set()
            kill(process, who)
            kills[stage, who] += 1

        for line in process.stdout:
            stage = STAGE.match(line)
            if stage and stage[1] != last:
                last = stage[1]
                if timer:
                    timer.cancel()
                if left.get(last) and not hit.is_set():
                    left[last] -= 1
                    timer = threading.Timer(draw.uniform(0, stages[last]), strike, [last])
                    timer.start()
        code = process.wait()
        if timer:
            timer.cancel()
        if not code:
            break
        if not hit.is_set():
            raise RuntimeError(f"{last} failed although nobody killed it")
    finished(chain.start(output))
    return kills


def run(folder: Path, chain: Chain, *, each: int = 6, seed: int = 0) -> dict[str, object]:
    """Returns what was killed how often, and which results then differ from those of an undisturbed run.

    What resumes is shorter than what was undisturbed, so that half of the moments come too late: the chain is run and
    killed again, in another folder, until the kills are enough and no stage was left out, or ``ROUNDS`` are over.
    """
    quiet, kills, differ, rounds = folder / "undisturbed", Counter(), [], 0
    stages = durations(chain.copied(folder / "first"), quiet)
    wanted = min(AT_LEAST, each * len(stages))
    while rounds < ROUNDS and (sum(kills.values()) < wanted or stages.keys() - {stage for stage, _ in kills}):
        rounds += 1
        struck, copy = folder / f"killed{rounds}", chain.copied(folder / f"copy{rounds}")
        kills += disturb(copy, struck, stages=stages, each=each, seed=seed + rounds)
        differ += [f"{name} (round {rounds})" for name in differences(quiet, struck)]
    hit = {stage for stage, _ in kills}
    few = [f"fewer than {wanted} kills"] if sum(kills.values()) < wanted else []
    return {
        "harm": few + [f"{stage} was not hit" for stage in stages if stage not in hit],
        "kills": sum(kills.values()),
        "of the whole chain": sum(count for (_, who), count in kills.items() if who == "all"),
        "of a notebook's kernel": sum(count for (_, who), count in kills.items() if who == "kernel"),
        "rounds": rounds,
        "stages": {stage: sum(count for (name, _), count in kills.items() if name == stage) for stage in stages},
        "results compared": rounds * len(list(quiet.glob("results/*/*/*"))),
        "results that differ": differ,
    }
