# Shared by all rule files.
#
# Conventions: a rule and its script share one verb-first name, scripts/<rule>.py; inputs, outputs
# and params carry the names of the script function's arguments; every setting goes through
# params; log and benchmark are logs/<rule>/{wildcards}.log and benchmarks/<rule>/{wildcards}.tsv.

from moirepol.code import code_digest
from moirepol.systems import PATTERN as SYSTEM


wildcard_constraints:
    set="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    system=SYSTEM,
    frame=SYSTEM,
    panel="fig[1-4][a-i]",


LABEL_SETS = config["labels"]["sets"]


def figure_files(figure: str) -> list[str]:
    """The files of a figure's panels; the data of each panel lies beside them as NetCDF."""
    panels = config["figures"][figure]["panels"]
    return expand("results/figures/{panel}.{ending}", panel=panels, ending=["pdf", "png"])
