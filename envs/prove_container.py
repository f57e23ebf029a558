#!/usr/bin/env python3
"""Prove the steps of the Dockerfile in a bare Debian system, without Docker.

    apt install mmdebstrap
    envs/prove_container.py /tmp/root                      the image alone
    envs/prove_container.py /tmp/root ./run-tests          and these commands in it, in turn
    envs/prove_container.py --suite trixie /tmp/root ./run

`mmdebstrap` makes the base image. The instructions of the Dockerfile then run in it, on a clone of
the last commit. A second call reuses the folder with its results, and updates the clone. The
mirrors, proxies and certificates are those of this machine's apt and pip; nothing of them is
written outside of the folder. Needs root.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
#: Options of this machine's apt and pip that decide whether a package can be fetched.
APT_OPTIONS = re.compile(r"^Acquire::(Check-|https?::|Retries|ForceIPv)")
PIP_OPTIONS = ("index-url", "cert", "proxy", "trusted-host", "timeout")
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions of a Dockerfile, each as its name and its arguments."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        yield name, arguments.strip()


def run(*command: str | Path, **options) -> str:
    """Run a program and return its output; end with one line if it fails."""
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"error: {shlex.join(map(str, command))[:200]}: status {done.returncode}")
    return done.stdout


def make_base(root: Path, suite: str) -> None:
    """Make the base system that the image `debian:<suite>-slim` contains."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)")
    own = re.search(
        r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(encoding="utf-8"), re.M
    )[1]
    lines = sorted({f"deb {line.replace(own, suite)}" for line in targets.splitlines()})
    sources = "\n".join(lines)
    options = [line for line in run("apt-config", "dump").splitlines() if APT_OPTIONS.match(line)]
    arguments = [f"--aptopt={option}" for option in options]
    run("mmdebstrap", "--quiet", "--variant=minbase", *arguments, suite, root, "-", input=sources)


def use_network_of_this_machine(root: Path) -> dict[str, str]:
    """Copy name servers and certificates, and return the environment that pip needs."""
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(file, root / file[1:])
    environment = {key: value for key, value in os.environ.items() if key.endswith("_proxy")}
    listed = run(sys.executable, "-m", "pip", "config", "list", stderr=subprocess.DEVNULL)
    for key, value in re.findall(r"^(?:global|install|:env:)\.(\S+?)='(.*)'$", listed, re.M):
        key = key.lstrip(".")
        if key == "cert":
            shutil.copyfile(value, root / "etc/machine.crt")
            value = "/etc/machine.crt"
        if key in PIP_OPTIONS:
            environment[f"PIP_{key.replace('-', '_').upper()}"] = value
    return environment


def run_inside(root: Path, folder: str, environment: dict[str, str], command: str) -> None:
    """Run a shell command inside the root, with its own processes, devices and file systems."""
    mounts = " && ".join(
        [
            f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /sys {root}/sys",
            f'exec chroot {root} /bin/sh -c "$1"',
        ]
    )
    names = {"PATH": PATHS, "HOME": "/root", "TERM": "dumb"} | environment
    said = f"cd {folder} && {command}"
    print(f"\n{command}", flush=True)
    start = time.monotonic()
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run([*unshare, "sh", "-c", mounts, "sh", said], env=names)
    print(f"{command}: {(time.monotonic() - start) / 60:.1f} min, status {done.returncode}")
    if done.returncode:
        sys.exit(done.returncode)


def prove(root: Path, suite: str | None, commands: list[str]) -> None:
    """Make the image, where it is missing, and run commands in it."""
    environment: dict[str, str] = {}
    folder, done = "/", root / "etc/container_is_complete"
    for name, arguments in instructions((PROJECT / "Dockerfile").read_text()):
        match name:
            case "FROM" if not root.exists():
                make_base(root, suite or arguments.removeprefix("debian:").removesuffix("-slim"))
            case "FROM":
                pass
            case "ENV":
                environment |= dict([arguments.split("=", 1)])
            case "WORKDIR":
                folder = arguments
            case "COPY" if arguments == ". .":
                network = use_network_of_this_machine(root)
                clone = root / folder[1:]
                if clone.exists():
                    run("git", "-C", clone, "fetch", "--quiet", PROJECT, "HEAD")
                    run("git", "-C", clone, "reset", "--quiet", "--hard", "FETCH_HEAD")
                else:
                    run("git", "clone", "--quiet", "--no-hardlinks", PROJECT, clone)
            case "RUN" if not done.exists():
                run_inside(root, folder, environment | network, arguments)
            case "RUN":
                pass
            case "ENTRYPOINT":
                done.touch()
                json.loads(arguments)
            case _:
                sys.exit(f"error: no rule for the instruction {name} {arguments}")
    for command in commands:
        run_inside(root, folder, environment | network, command)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder of the system, made where it is missing")
    parser.add_argument("commands", nargs="*", help="commands to run in the folder of the project")
    parser.add_argument("--suite", help="another Debian suite than that of the Dockerfile")
    given = parser.parse_args()
    prove(given.root.resolve(), given.suite, given.commands)
