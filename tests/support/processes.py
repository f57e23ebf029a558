"""Programs made up, processes looked for, and folders that something is mounted on."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest


def make_program(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(["#!/bin/bash", *lines]) + "\n")
    (folder / name).chmod(0o755)


@contextlib.contextmanager
def mounted(folder, *what):
    """Something mounted on a folder for a while; skips the test where that is not allowed."""
    command = ["mount", *what, str(folder)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder):
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def processes_in(folder: Path, *words: str) -> list[int]:
    """Processes that run in a folder or below and have one of the words in their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = (process / "cwd").readlink().is_relative_to(folder)
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if inside and any(word in command for word in words):
            found.append(int(process.name))
    return found
