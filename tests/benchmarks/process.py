"""A measurement in a process of its own: it may crash, hang or grow without harm to the others."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
POLL_S = 0.2
SAMPLE_S = 0.5
"""How often the memory of a process and its descendants is looked at: seldom, so as not to disturb what is timed."""
LAST_WORDS = 400


@dataclass(frozen=True)
class Ended:
    """How a process ended: why it failed (empty where it did not), its seconds, and its largest memory if watched."""

    failed: str
    seconds: float
    peak_bytes: int


def run(
    command: Sequence[str],
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    memory_limit: int | None = None,
) -> Ended:
    """Run a command at the repository's root; kill it with its descendants when it overruns.

    Parameters
    ----------
    command : sequence of str
    timeout_s : float
    environment : mapping, optional
        Added to this process's own.
    memory_limit : int, optional
        Bytes that the process and its descendants may occupy together; memory is watched only where this is given.
    """
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            stopped, peak = watch(process, begun + timeout_s, memory_limit)
        except BaseException:
            end(process)
            raise
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
    return Ended(stopped or failure(process.returncode, words), time.monotonic() - begun, peak)


def watch(process: subprocess.Popen[bytes], deadline: float, memory_limit: int | None) -> tuple[str, int]:
    """Wait for a process: why it was stopped (empty where it ended by itself), and its largest memory seen."""
    peak, sample_at = 0, 0.0
    while True:
        try:
            process.wait(POLL_S)
            return "", peak
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if now > deadline:
            end(process)
            return "killed: it overran its time", peak
        if memory_limit is not None and now >= sample_at:
            peak, sample_at = max(peak, memory_of(process.pid)), now + SAMPLE_S
            if peak > memory_limit:
                end(process)
                return f"killed: it took {peak / 2**30:.1f} GiB", peak


def memory_of(pid: int) -> int:
    """Resident bytes of a process and all its descendants, at this moment."""
    total = 0
    for process in family(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants; empty where it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that :func:`run` started, and its descendants."""
    for member in family(process.pid) if process.poll() is None else ():
        try:
            member.kill()
        except psutil.Error:
            continue
    process.wait()


def failure(status: int, words: str) -> str:
    """Why a process failed, in its own last words."""
    if status == 0:
        return ""
    last = words.splitlines()[-1][:LAST_WORDS] if words else ""
    how = f"killed by signal {-status}" if status < 0 else f"status {status}"
    return f"{how}: {last}" if last else how
