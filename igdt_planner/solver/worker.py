"""A solver process of its own: it may crash, hang or be killed without harm to the caller.

The parent holds a :class:`Worker`; the child runs :func:`main`. They speak pickled messages over the child's pipes,
never over files.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from igdt_planner.errors import PlannerError, SolverError
from igdt_planner.solver.highs import Options
from igdt_planner.solver.milp import Answer, no_tree, solve
from igdt_planner.solver.probe import Points, Probe, Reply
from igdt_planner.solver.problem import Problem, Rows
from igdt_planner.solver.site_tree import prove

GRACE_S = 30.0
"""How long a child may overrun its time limit (exact dispatch of a last plan) before it is killed."""
CHILD = """
import sys, types
package = sys.modules["igdt_planner"] = types.ModuleType("igdt_planner")
package.__path__ = [sys.argv.pop()]
from igdt_planner.solver.worker import main
main()
"""
"""What a child runs. It needs arrays and HiGHS alone: the package's own ``__init__`` would cost it two seconds more."""


@dataclass(frozen=True)
class Job:
    """One solve: the problem, whether its decisions are worth a site tree, its bound one; limits, tangents known."""

    problem: Problem
    explore: bool
    bounded: bool
    options: Options
    known: Rows | None


NOTHING = Answer("no_plan", None, None, -np.inf, 0, 0, 0.0)


class Worker:
    """The parent's end. Started on first use, kept between solves, killed when it overruns."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.latest = NOTHING
        self.probed: Problem | None = None
        self.interrupted = False

    def run(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> tuple[Answer, Rows | None, bool]:
        """Solve a job; the last element says whether the user interrupted it.

        Raises
        ------
        SolverError
            The process died or overran its limit before it found a plan.
        """
        begun = time.monotonic()
        self.latest = NOTHING
        try:
            self.send(job)
            return self.follow(begun, begun + job.options.longest_s + GRACE_S, on_event)
        except KeyboardInterrupt:
            self.interrupted = True
            self.close()
            return replace(self.latest, seconds=time.monotonic() - begun), None, True

    def follow(
        self, begun: float, deadline: float, on_event: Callable[[dict[str, Any]], None]
    ) -> tuple[Answer, Rows | None, bool]:
        """Take in what the child tells until it is done, dead or past its deadline."""
        while True:
            try:
                kind, content = self.messages.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                self.close()
                return self.salvage(begun, "the solver overran its time limit"), None, False
            if kind == "done":
                return *content, False
            if kind == "failed":
                self.close()
                return self.salvage(begun, content), None, False
            self.latest = absorb(self.latest, content)
            on_event({key: value for key, value in content.items() if key != "x"})

    def ask(self, points: Points) -> Reply:
        """What a decided problem costs at points.

        Raises
        ------
        SolverError
            The process died or took too long.
        """
        try:
            if self.process is None or self.process.poll() is not None:
                self.start()
            known, self.probed = self.probed is points.problem, points.problem
            self.send(replace(points, problem=None) if known else points)
            kind, content = self.messages.get(timeout=points.options.time_limit_s * len(points.values) + GRACE_S)
        except (queue.Empty, KeyboardInterrupt) as error:
            self.close()
            if isinstance(error, KeyboardInterrupt):
                raise
            raise SolverError("no answer: the solver overran its time limit") from None
        if kind != "done":
            self.close()
            raise SolverError(f"no answer: {content}")
        return cast(Reply, content)

    def salvage(self, begun: float, why: str) -> Answer:
        """The last incumbent of a child that is gone; without one, an error."""
        if self.latest.x is None:
            raise SolverError(f"no plan: {why}")
        return replace(self.latest, seconds=time.monotonic() - begun)

    def send(self, job: Job | Points) -> None:
        """Hand a job to the child, starting one if need be."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        assert self.process is not None and self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a child that is gone says so through its messages
            pickle.dump(job, self.process.stdin)
            self.process.stdin.flush()

    def start(self) -> None:
        """Start a child in a session of its own, so that an interrupt reaches the parent only."""
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parents[1])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.messages, self.probed = queue.Queue(), None
        threading.Thread(target=listen, args=(self.process, self.messages), daemon=True).start()

    def close(self) -> None:
        """Kill the child."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def absorb(latest: Answer, event: dict[str, Any]) -> Answer:
    """The best known answer after one more event."""
    bound = max(latest.bound, event["bound"]) if event.get("bound") is not None else latest.bound
    if event["kind"] != "incumbent":
        return replace(latest, bound=bound)
    return replace(latest, status="feasible", x=event["x"], value=event["objective"], bound=bound)


def listen(process: subprocess.Popen[bytes], messages: queue.Queue[tuple[str, Any]]) -> None:
    """Read messages of a child until it ends; its end is a message too."""
    assert process.stdout is not None
    try:
        while True:
            messages.put(pickle.load(process.stdout))
    except (EOFError, pickle.UnpicklingError, OSError):
        messages.put(("failed", f"the solver process ended with status {process.wait()}"))


def receive(stream: BinaryIO, jobs: queue.Queue[Job | Points]) -> None:
    """Take jobs from the parent; when it closes the pipe, or dies, end this process whatever it is at."""
    while True:
        try:
            jobs.put(pickle.load(stream))
        except (EOFError, pickle.UnpicklingError):
            os._exit(0)


def main() -> None:
    """Solve jobs from standard input until it closes. Whatever a library prints goes to standard error."""
    jobs: queue.Queue[Job | Points] = queue.Queue()
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def tell(kind: str, content: object) -> None:
        pickle.dump((kind, content), channel)
        channel.flush()

    probe: Probe | None = None
    threading.Thread(target=receive, args=(sys.stdin.buffer, jobs), daemon=True).start()
    while True:
        job = jobs.get()
        try:
            if isinstance(job, Points):
                probe = Probe(job) if job.problem is not None else probe
                assert probe is not None
                tell("done", probe.ask(job))
                continue
            proof = prove if job.explore else no_tree if job.bounded else None
            tell("done", solve(job.problem, job.options, job.known, partial(tell, "event"), prove=proof))
        except Exception as error:  # the parent must learn of any failure in words
            tell("failed", str(error) if isinstance(error, PlannerError) else f"{type(error).__name__}: {error}")
