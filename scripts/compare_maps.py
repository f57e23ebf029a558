"""Write two maps side by side as one HTML page, with one colour scale."""

from collections.abc import Sequence
from html import escape

from bokeh.layouts import column, row
from bokeh.models import Div

from moirepol.map_page import MapVariant, MapView, common_limits, synchronize, write_page
from moirepol.structure.names import describe_request
from moirepol.workflow.provenance import read_netcdf

#: px across one of the two maps, for a window of 1400 px
FRAME = 500


def compare_maps(
    polarization_maps: Sequence[str],
    charges: Sequence[str],
    names: Sequence[str],
    page: str,
) -> None:
    """Write a page with two maps, the same colours, and buttons that act on both.

    Parameters
    ----------
    polarization_maps, charges
        The two maps and their charges (NetCDF).
    names
        Names of the maps as they were requested.
    page
        HTML file to write.
    """
    maps = [read_netcdf(path, "P", "P_layer") for path in polarization_maps]
    of_maps = [read_netcdf(path, "charge_density", "Q") for path in charges]
    variants = [MapVariant("", ds, charge) for ds, charge in zip(maps, of_maps, strict=True)]
    limits = common_limits(variants)
    views = [MapView([variant], limits, FRAME) for variant in variants]
    controls = [view.controls() for view in views]
    for one, other in zip(*controls, strict=True):
        synchronize(one, other)
    headings = [
        ds.attrs.get("description") or describe_request(name, ds.attrs["system"])
        for ds, name in zip(maps, names, strict=True)
    ]
    columns = [
        column(
            Div(text=f"<h3 style='margin: 0'>{escape(heading)}</h3>", width=560, height=95),
            *own,
            view.plot,
        )
        for heading, own, view in zip(headings, controls, views, strict=True)
    ]
    write_page(row(*columns, spacing=20), " | ".join(headings), page)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_maps, globals().get("snakemake"))
