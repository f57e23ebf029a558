"""What the command line of Snakemake requests."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Options with which Snakemake only prints what the rules are.
WITHOUT_FILES = ("lint", "list_target_rules", "list_rules", "print_compilation")
#: Options with which Snakemake runs no job.
WITHOUT_JOBS = (
    *WITHOUT_FILES,
    "dryrun",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "list_conda_envs",
    "report",
    "unlock",
)


@dataclass(frozen=True)
class Request:
    """What a command line requests.

    Parameters
    ----------
    targets
        Rules and files, empty for the default.
    runs_jobs
        False if the command only prints something, as ``-n`` and ``--list``.
    writes
        False if the command needs no folder of Snakemake, as ``--list``.
    """

    targets: tuple[str, ...] = ()
    runs_jobs: bool = True
    writes: bool = True


def request(arguments: Sequence[str] | None = None) -> Request:
    """Parse the command line of Snakemake, because a Snakefile has no access to it.

    Parameters
    ----------
    arguments
        The arguments; by default those of this process, if it is Snakemake.

    Returns
    -------
    Request
        The request. Without a command line of Snakemake it has no targets and runs jobs.
    """
    if arguments is None:
        program = Path(sys.argv[0])
        if "snakemake" not in (program.name, program.parent.name):
            return Request()
        arguments = sys.argv[1:]
    from snakemake.cli import get_argument_parser

    parsed, _ = get_argument_parser().parse_known_args(list(arguments))
    return Request(
        targets=tuple(map(str, parsed.targets or ())),
        runs_jobs=not any(getattr(parsed, name, None) for name in WITHOUT_JOBS),
        writes=not any(getattr(parsed, name, None) for name in WITHOUT_FILES),
    )
