# From first principles to the polarization patterns of h-BN moire bilayers.

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# This file may be a module of another workflow, so the folder is not that of the main Snakefile.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
sys.path.insert(0, str(ROOT / "scripts"))

from moirepol.errors import ConfigError
from moirepol.workflow.command_line import request
from moirepol.workflow.configuration import check_config
from moirepol.workflow.defaults import merged, read_settings, require_own_folder
from moirepol.workflow.environment import allow_spaces, isolate
from moirepol.workflow.interrupts import interrupt_jobs
from moirepol.workflow.job import PARENT
from moirepol.workflow.locks import clear_stale_locks, require_writable
from moirepol.workflow.provenance import made_by
from moirepol.workflow.shipped import check_shipped, shipped_path
from moirepol.workflow.targets import check_targets


report: "report/workflow.rst"


IS_MAIN = workflow.modifier.is_main_snakefile()
REQUEST = request() if workflow.is_main_process else None
try:
    own, shipped = config, read_settings(ROOT / "config.yaml")
    config = check_config(merged(shipped, own))
    check_shipped(ROOT / "resources", config["labels"]["source"])
    if own and IS_MAIN and REQUEST and workflow.overwrite_workdir is None:
        require_own_folder(check_config(shipped), config)
    if REQUEST and REQUEST.writes:
        require_writable(Path.cwd())
    if REQUEST and REQUEST.runs_jobs:
        clear_stale_locks()
except ConfigError as error:
    sys.exit(f"config error: {error}")
config["made_by"] = made_by()  # for the report

isolate(os.environ, ROOT / "scripts", cache=Path(".snakemake") / "cache")
allow_spaces(os.environ)
os.environ[PARENT] = str(os.getpid())
if workflow.is_main_process:
    interrupt_jobs()


include: "rules/common.smk"
include: "rules/labels.smk"
include: "rules/checks.smk"
include: "rules/models.smk"
include: "rules/maps.smk"
include: "rules/views.smk"
include: "rules/sweeps.smk"
include: "rules/exports.smk"
include: "rules/figures.smk"
include: "rules/accuracy.smk"
include: "rules/claims.smk"
include: "rules/materials.smk"
include: "rules/docs.smk"


onstart:
    start_labels()


rule all:
    default_target: True
    input:
        figure_files(),
        "results/claims.csv",
        "results/claims.html",


for figure in figure_plan.numbered_figures(config):

    rule:
        name:
            figure
        input:
            figure_files(figure),


rule labels:
    input:
        expand("results/labels/{set}.nc", set=own_sets()),


rule claims:
    input:
        "results/claims.csv",
        "results/claims.html",


if REQUEST and IS_MAIN:
    try:
        check_targets(
            config,
            REQUEST.targets,
            rules=[rule.name for rule in workflow.rules],
            patterns=[str(file) for rule in workflow.rules for file in rule.products()],
            is_made=lambda target: (
                os.path.exists(target)
                or any(rule.is_producer(os.path.relpath(target)) for rule in workflow.rules)
            ),
        )
    except ConfigError as error:
        sys.exit(f"error: {error}")
