"""Write two maps side by side as one HTML page, with one colour scale."""

from collections.abc import Sequence

from bokeh.layouts import column, row
from bokeh.models import Div

from moirepol.map_page import MapView, synchronize, write_page
from moirepol.structure.names import describe
from moirepol.workflow.provenance import read_netcdf


def compare_maps(
    polarization_maps: Sequence[str],
    charges: Sequence[str],
    page: str,
) -> None:
    """Write a page with two maps, the same colours, and buttons that act on both.

    Parameters
    ----------
    polarization_maps, charges
        The two maps and their charges (NetCDF).
    page
        HTML file to write.
    """
    maps = [read_netcdf(path, "P", "P_layer") for path in polarization_maps]
    of_maps = [read_netcdf(path, "charge_density", "Q") for path in charges]
    alone = [MapView(ds, charge) for ds, charge in zip(maps, of_maps, strict=True)]
    limits = {name: max(view.limits[name] for view in alone) for name in alone[0].limits}
    views = [MapView(ds, charge, None, limits) for ds, charge in zip(maps, of_maps, strict=True)]
    controls = [view.controls() for view in views]
    for one, other in zip(*controls, strict=True):
        synchronize(one, other)
    headings = [ds.attrs.get("description") or describe(ds.attrs["system"]) for ds in maps]
    columns = [
        column(Div(text=f"<h3>{heading}</h3>"), *own, view.plot)
        for heading, own, view in zip(headings, controls, views, strict=True)
    ]
    write_page(row(*columns, spacing=20), " | ".join(headings), page)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_maps, globals().get("snakemake"))
