# From first principles to the polarization patterns of h-BN moire bilayers.

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from moirepol.errors import ConfigError
from moirepol.workflow.configuration import check_config
from moirepol.workflow.job import PARENT
from moirepol.workflow.locks import clear_stale_locks
from moirepol.workflow.provenance import made_by


configfile: "config.yaml"


report: "report/workflow.rst"


try:
    config = check_config(config)
except ConfigError as error:
    sys.exit(f"config error: {error}")
config["made_by"] = made_by()  # for the report


os.environ[PARENT] = str(os.getpid())
if workflow.is_main_process and not workflow.dryrun:
    clear_stale_locks()


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
include: "rules/docs.smk"


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
