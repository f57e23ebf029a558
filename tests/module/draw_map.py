"""Draw the out-of-plane polarization of a map."""

import matplotlib.pyplot as plt
import xarray as xr

import moirepol.plotting  # noqa: F401 - sets what a matplotlibrc in the folder may have changed
from moirepol.structure.names import describe

with xr.open_dataset(snakemake.input.polarization_map) as ds:  # noqa: F821 - Snakemake defines it
    ds["P"].sel(component="z").plot(x="x", y="y")
plt.title(describe("configuration_AA"))
plt.savefig(snakemake.output.picture)  # noqa: F821
