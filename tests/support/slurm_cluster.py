"""A real Slurm for tests: one controller, two nodes, in a folder of its own, gone afterwards.

Both nodes are this machine: two daemons with names and ports of their own, each with half the
memory and CPUs of its own to count.
"""

import contextlib
import getpass
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
SEARCH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
NODES = ("node1", "node2")
#: No accounting, no cgroups; a node's daemon watches memory and kills what exceeds it. A job that
#: lost its node waits as long as its credentials are good, two minutes without `cred_expire`.
SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=1
CompleteWait=0
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs={cpus} RealMemory={memory_MB} State=UNKNOWN
NodeName=node1 NodeHostname=node1 NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=node2 NodeHostname=node2 NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
PartitionName=standard Nodes=node1,node2 MaxTime=INFINITE State=UP
"""


@dataclass
class Cluster:
    """A running Slurm: the environment in which its commands find it, and its nodes' daemons."""

    environment: dict[str, str]
    daemons: dict[str, subprocess.Popen]

    def command(self, *words: str) -> str:
        """The output of one of Slurm's commands."""
        return subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def set_nodes(self, state: str, nodes: Iterable[str] = NODES) -> None:
        """Put nodes in a state: drain, down or resume."""
        names = f"nodename={','.join(nodes)}"
        self.command("scontrol", "update", names, f"state={state}", "reason=test")

    def lose(self, node: str) -> None:
        """A node goes down: its daemon is dead, what runs there goes on, out of Slurm's reach."""
        self.daemons[node].kill()
        self.daemons[node].wait()
        self.set_nodes("down", [node])

    def restarts(self, job: str) -> int:
        """How often Slurm has put a job back into the queue."""
        return int(re.search(r"Restarts=(\d+)", self.command("scontrol", "show", "job", job))[1])

    def jobs(self) -> list[dict[str, str]]:
        """All jobs since the start, oldest first."""
        fields = {"id": "%i", "state": "%T", "memory": "%m", "cpus": "%C", "rule": "%k"}
        fields |= {"node": "%N", "partition": "%P", "account": "%a"}
        table = self.command(
            "squeue", "-h", "-t", "all", "-S", "i", "-o", "|".join(fields.values())
        )
        return [dict(zip(fields, line.split("|"), strict=True)) for line in table.splitlines()]


@contextlib.contextmanager
def running(cpus: int = 2, memory_MB: int = 8000) -> Iterator[Cluster]:
    """Start Slurm, wait until its nodes are idle, and take everything down at the end."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets want short paths
    host = socket.gethostname().partition(".")[0]
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{folder / 'bin'}:{SEARCH}",
    }
    started: list[subprocess.Popen] = []

    def start(program: str, *options: str) -> subprocess.Popen:
        with open(folder / f"{program}{len(started)}.out", "w") as out:
            started.append(
                subprocess.Popen(
                    [shutil.which(program, path=SEARCH), *options],
                    env=environment,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )
        return started[-1]

    try:
        for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir(mode=0o755)
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        (folder / "slurm.conf").write_text(
            SLURM_CONF.format(
                folder=folder,
                host=host,
                user=getpass.getuser(),
                ports=_free_ports(1 + len(NODES)),
                cpus=cpus,
                memory_MB=memory_MB,
            )
        )
        for name, command in (
            # The plugin's job step drops SLURM_CONF before it calls srun.
            ("srun", f'SLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"'),
            # Without accounting nobody knows the accounts that the plugin asks for.
            ("sacctmgr", "echo project"),
        ):
            program = folder / "bin" / name
            program.write_text(f"#!/bin/sh\n{command}\n")
            program.chmod(0o755)
        start(
            "munged",
            *("--foreground", "--force", f"--key-file={key}"),
            *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"),
        )
        start("slurmctld", "-D", "-i")
        daemons = {node: start("slurmd", "-D", "-N", node) for node in NODES}
        cluster = Cluster(environment, daemons)
        _wait_until_idle(cluster, folder)
        yield cluster
    finally:
        for process in reversed(started):
            process.terminate()
        _end_processes(f"SLURM_CONF={folder / 'slurm.conf'}")
        for process in started:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _end_processes(variable: str) -> None:
    """End everything that was started with this in its environment: daemons, steps and jobs."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            process = int(environment.parent.name)
            if variable.encode() in environment.read_bytes() and process != os.getpid():
                os.kill(process, signal.SIGKILL)


def _wait_until_idle(cluster: Cluster, folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.SubprocessError):
            if cluster.command("sinfo", "-h", "-N", "-p", "all", "-o", "%T").split() == [
                "idle"
            ] * len(NODES):
                return
        time.sleep(0.2)
    logs = "\n".join(
        path.read_text(errors="replace") for path in sorted(folder.glob("*.[ol][uo]*"))
    )
    raise RuntimeError(f"Slurm did not start within {seconds} s:\n{logs}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
