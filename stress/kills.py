"""Kills the chain by SIGKILL at random moments of every stage; what it ends with must equal an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

from stress.chain import STAGE, Chain, differences, finished, kernels_of, kill

AT_LEAST = 25  # kills of a whole run of this part


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
    """Returns what was killed how often, and which results then differ from those of an undisturbed run."""
    quiet, struck = folder / "undisturbed", folder / "killed"
    stages = durations(chain.copied(folder / "first"), quiet)
    kills = disturb(chain.copied(folder / "second"), struck, stages=stages, each=each, seed=seed)
    hit = {stage for stage, _ in kills}
    few = [f"fewer than {AT_LEAST} kills"] if sum(kills.values()) < AT_LEAST <= each * len(stages) else []
    return {
        "harm": few + [f"{stage} was not hit" for stage in stages if stage not in hit],
        "kills": sum(kills.values()),
        "of the whole chain": sum(count for (_, who), count in kills.items() if who == "all"),
        "of a notebook's kernel": sum(count for (_, who), count in kills.items() if who == "kernel"),
        "stages": {stage: sum(count for (name, _), count in kills.items() if name == stage) for stage in stages},
        "results compared": len(list(quiet.glob("results/*/*/*"))),
        "results that differ": differences(quiet, struck),
    }
