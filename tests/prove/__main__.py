"""``python -m tests.prove --seeds 0:300 --store prove.jsonl``: random feeders beside a global reference.

``--questions`` asks a robust or opportunity question of each instead.

Rows are appended as they come; a run that is cut goes on where it stopped. A reference is kept as long as the generator
makes the same feeder of its seed, a plan as long as the package has the same sources (``--keep``: whatever they are).
The summary stands beside the store, with the suffix ``.md``. The exit status is 1 where a requirement is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.record import source_digest
from tests.prove import best_alpha, feeders, judge, judge_questions, questions
from tests.prove.reference import PIECE_S
from tests.prove.store import Kinds, Store, summary
from tests.prove.workers import ask_all, serve

RESULTS = Path(__file__).parent / "results"
REFERENCE_S = 30.0 * PIECE_S
"""After this time a reference is given up, s."""


@dataclass(frozen=True)
class Task:
    """What is proven of a seed: its digest, reference and judgement, and the kinds that a summary counts by."""

    name: str
    digest: Callable[[int], str]
    refer: Callable[[int], dict[str, Any]]
    judge: Callable[[int, Mapping[str, Any], float], dict[str, Any]]
    time_limit_s: float
    kinds: Kinds


PLANS = Task(
    "prove", judge.digest, judge.refer, judge.judge, judge.TIME_LIMIT_S, Kinds(judge.FINDINGS, feeders.kind_of)
)
QUESTIONS = Task(
    "questions",
    judge_questions.digest,
    best_alpha.refer,
    judge_questions.judge,
    judge_questions.TIME_LIMIT_S,
    Kinds(judge_questions.FINDINGS, questions.kind_of, judge_questions.ALLOWED),
)


def main(arguments: Sequence[str]) -> int:
    """Refer, plan and judge the seeds that the store does not hold yet, and write the summary."""
    asked = options(arguments)
    if asked.serve:
        serve(answer)
        return 0
    task = QUESTIONS if asked.questions else PLANS
    store = Store(asked.store or RESULTS / f"{task.name}.jsonl")
    store.path.parent.mkdir(parents=True, exist_ok=True)
    sources, begun = source_digest(), time.monotonic()
    questions = [question for seed in asked.seeds if (question := open_question(task, store, seed, sources, asked))]
    for number, (question, answered) in enumerate(ask_all(questions, asked.workers, REFERENCE_S), 1):
        keep(store, question, answered, sources)
        print(f"{number}/{len(questions)} seed {question['seed']}: {said(answered)}", flush=True)
    print(f"{len(questions)} feeders in {time.monotonic() - begun:.0f} s on {asked.workers} processes\n")
    if asked.reference_only:
        return 0
    text, met = summary(store, asked.seeds, task.kinds)
    store.path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if met else 1


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description="Random feeders beside a reference.")
    parser.add_argument("--questions", action="store_true", help="robust and opportunity questions instead of plans")
    parser.add_argument("--seeds", type=seeds, default=seeds("0:300"), help="from:to, or numbers with commas")
    parser.add_argument("--store", type=Path, help="file of JSON lines")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side")
    parser.add_argument("--time-limit", type=float, help="of the planner for a feeder, s")
    parser.add_argument("--keep", action="store_true", help="keep plans of other sources of the package")
    parser.add_argument("--again", action="store_true", help="refer and plan everything again")
    parser.add_argument("--reference-only", action="store_true", help="plan nothing")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def seeds(text: str) -> list[int]:
    """Seeds of ``from:to`` (without the last) or of a list."""
    if ":" in text:
        first, last = text.split(":")
        return list(range(int(first), int(last)))
    return [int(part) for part in text.split(",")]


def open_question(
    task: Task, store: Store, seed: int, sources: str, asked: argparse.Namespace
) -> dict[str, Any] | None:
    """What is still to be done for a seed; None where nothing is."""
    now = task.digest(seed)
    known, plan = store.references.get(seed, {}), store.plans.get(seed, {})
    reference = known["reference"] if known.get("digest") == now and not asked.again else None
    judged = plan.get("digest") == now and (asked.keep or plan.get("sources") == sources) and not asked.again
    if reference is not None and (judged or asked.reference_only):
        return None
    limit = 0.0 if asked.reference_only else asked.time_limit or task.time_limit_s
    return {"task": task.name, "seed": seed, "digest": now, "reference": reference, "time_limit_s": limit}


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Reference and judgement of a seed, as far as they are asked for."""
    seed, limit = question["seed"], question["time_limit_s"]
    task = QUESTIONS if question["task"] == QUESTIONS.name else PLANS
    reference = question["reference"] or task.refer(seed)
    return {"reference": reference, "judged": task.judge(seed, reference, limit) if limit else None}


def keep(store: Store, question: dict[str, Any], answered: dict[str, Any], sources: str) -> None:
    """Store what was answered; a process that died is a finding where the reference was known already."""
    row = {"seed": question["seed"], "digest": question["digest"]}
    if question["reference"] is None and "reference" in answered:
        store.add(row | {"reference": answered["reference"]})
    judged = answered.get("judged")
    if "failed" in answered and question["seed"] in store.references:
        judged = {"plan": None, "gaps": {}, "findings": [["error", answered["failed"]]], "seconds": 0.0}
    if judged is not None:
        store.add(row | {"sources": sources, "judged": judged})


def said(answered: dict[str, Any]) -> str:
    """One line on a seed."""
    if "failed" in answered:
        return str(answered["failed"])
    best, judged = answered["reference"]["best"], answered["judged"]
    if judged is None:
        return f"between {best[1]} and {best[0]}"
    plan = judged["plan"] or {"status": "error"}
    found = "; ".join(f"{name}: {words.strip().splitlines()[-1]}" for name, words in judged["findings"])
    if "own" in plan:
        return f"{plan['status']} alpha {plan['alpha']}, own {plan['own']}, best {plan['best']}. {found or 'ok'}"
    return f"{plan['status']} {plan.get('objective')}, optimum {best[0]}. {found or 'ok'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
