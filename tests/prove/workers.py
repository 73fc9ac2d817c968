"""Processes that judge one seed after the other; one that dies or hangs is replaced, and its seed is a finding."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from tests.benchmarks.process import ROOT, end

Question = dict[str, Any]
COMMAND = [sys.executable, "-m", "tests.prove", "--serve"]


class Worker:
    """One process, asked by a line of JSON and answering by one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Question, seconds: float) -> dict[str, Any]:
        """The answer to a question; ``{"failed": why}`` where the process dies or needs longer."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process, hangs = self.process, threading.Event()

        def stop() -> None:
            hangs.set()
            end(process)

        clock = threading.Timer(seconds, stop)
        clock.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        finally:
            clock.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.close()
        return {"failed": f"killed after {seconds:g} s" if hangs.is_set() else "the process died"}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            end(self.process)
            self.process = None


def ask_all(questions: Iterable[Question], workers: int, seconds: float) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Questions with their answers, in the order in which these come."""
    waiting: queue.SimpleQueue[Question] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Question, dict[str, Any]]] = queue.SimpleQueue()
    asked = 0
    for question in questions:
        waiting.put(question)
        asked += 1
    hands = [Worker() for _ in range(workers)]

    def work(hand: Worker) -> None:
        while not waiting.empty():
            try:
                question = waiting.get_nowait()
            except queue.Empty:
                return
            done.put((question, hand.ask(question, seconds)))

    threads = [threading.Thread(target=work, args=(hand,), daemon=True) for hand in hands]
    for thread in threads:
        thread.start()
    try:
        for _ in range(asked):
            yield done.get()
    finally:
        for hand in hands:
            hand.close()


def serve(answer: Any) -> None:
    """Answer the questions on standard input until it ends; what solvers print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line)), allow_nan=False) + "\n")
