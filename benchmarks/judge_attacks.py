"""Attacks the judge for minutes, then looks at the machine for what is left of it.

    python benchmarks/judge_attacks.py [--minutes 10] [--seed 1]

Runs the hostile programs of the corpus in a random order, in tier A and tier B by turns, each followed by an honest program. Before
and after it notes processes, mounts, namespaces, shared memory and files for temporary use. It leaves exit status 1 when
something is left, a verdict is not a wanted one, or an honest program was not accepted.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ocr_pipeline.judge import Runner, Tiers
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.sandbox.jails import WORK_PREFIX

CORPUS = Path(__file__).parents[1] / "tests" / "judge" / "corpus"
PATIENCE_S = 20.0


def corpus_runner() -> ModuleType:
    """Load the runner of the corpus."""
    spec = importlib.util.spec_from_file_location("corpus_runner", CORPUS / "runner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state(runner: ModuleType) -> dict[str, set[str]]:
    """Return what there is on this machine that an attack could leave."""
    processes = [Path("/proc", name) for name in ("self", *runner.descendants())]
    shared = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return {
        "processes": set(runner.descendants()),
        "namespaces of ours": {link for process in processes for link in namespaces(process)},
        "mounts": set(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()),
        "shared memory": {path.name for path in Path("/dev/shm").iterdir()} | set(shared),  # noqa: S108
        "folders of sandboxes": {str(path) for path in Path(tempfile.gettempdir()).glob(f"{WORK_PREFIX}*")},
    }


def namespaces(process: Path) -> Iterator[str]:
    """Yield the namespaces of a process."""
    try:
        yield from (str(link.readlink()) for link in (process / "ns").iterdir())
    except OSError:
        return


def left(runner: ModuleType, before: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what was not there before, after giving the dying a moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        now = state(runner)
        more = {kind: found - before[kind] for kind, found in now.items() if found - before[kind]}
        if not more or time.monotonic() > end:
            return more
        time.sleep(0.2)


def main() -> None:
    """Attack, and look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    corpus = corpus_runner()
    programs = tomllib.loads((CORPUS / "adversarial.toml").read_text(encoding="utf-8"))["program"]
    order = random.Random(options.seed)  # noqa: S311 - an order, not a secret
    before, end = state(corpus), time.monotonic() + 60 * options.minutes
    attacks: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    while time.monotonic() < end:
        tier = Tiers.A if order.random() < 0.5 else Tiers.B
        with tempfile.TemporaryDirectory() as name, Runner(tier) as runner:
            target = Path(name)
            target.chmod(0o777)
            (target / "a-secret-of-the-host.txt").write_text(corpus.MARKER, encoding="utf-8")
            gate = Gate()
            judging = corpus.Judging(runner, gate, target)
            for program in order.sample(programs, 12):
                line = judging.judge(program, hostile=True)
                attacks[f"tier {tier}"] += 1
                if line["verdict"] not in line["wanted"]:
                    wrong[f"tier {tier}, {line['name']}: {line['verdict']}"] += 1
                if line["after"] != "accepted" or not line["unchanged"]:
                    wrong[f"tier {tier}, {line['name']}: an honest program or the host suffered"] += 1
            gate.close()
    more = left(corpus, before)
    print(f"{attacks.total()} attacks in {options.minutes:g} minutes: {dict(attacks)}")
    print(f"not as wanted: {dict(wrong) or 'none'}")
    print(f"left on the machine: {more or 'nothing'}")
    sys.exit(bool(more or wrong))


if __name__ == "__main__":
    main()
