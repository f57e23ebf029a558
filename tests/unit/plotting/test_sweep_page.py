"""The page of a sweep in a real browser: its menus draw any quantity against any axis."""

import numpy as np
import pytest
import xarray as xr

from moirepol.workflow.provenance import stamp, write_netcdf
from support import browser
from view_sweep import view_sweep

READY = """
    (() => {
        if (typeof Bokeh == 'undefined' || !Bokeh.documents[0]?.is_idle) return false
        window.model = (name) => Bokeh.documents[0].get_model_by_name(name)
        return model('points')?.data_source.data.x.length > 0
    })()
"""


@pytest.fixture
def page(tmp_path):
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    values = np.arange(6.0).reshape(2, 1, 3)
    rows = ("system", "strain", "field")
    ds = xr.Dataset(
        {
            "P": (rows, values, {"units": "e.angstrom"}),
            "P_error": (rows, values / 10, {"units": "e.angstrom"}),
            "Q": ((*rows, "region"), np.stack([values, -values], axis=-1), {"units": "1"}),
        },
        coords={
            "system": ["AA_twist-1-2", "AA_twist-2-3"],
            "twist_angle": ("system", [21.8, 13.2]),
            "strain": [0.0],
            "field": [-0.1, 0.0, 0.1],
            "region": ["N", "M"],
        },
    )
    write_netcdf(stamp(ds, "A sweep"), tmp_path / "sweep.nc")
    view_sweep(str(tmp_path / "sweep.nc"), str(tmp_path / "sweep.html"))
    with browser.page(tmp_path / "sweep.html", tmp_path / "profile", size=(1000, 800)) as page:
        page.wait_for(READY)
        yield page
        assert not page.errors
        assert not any(address.startswith("http") for address in page.requests)


def shown(page, key):
    return page.evaluate(f"[...model('points').data_source.data.{key}]")


def test_menus_choose_the_quantity_and_the_axis(page):
    assert page.evaluate("[...model('axis').options]") == ["field", "twist_angle", "system"]
    assert shown(page, "y") == [0, 1, 2, 3, 4, 5]
    assert shown(page, "x") == [-0.1, 0, 0.1] * 2
    assert shown(page, "high")[2] == pytest.approx(2.2)
    assert page.evaluate("model('sweep').left[0].axis_label") == "P (e.angstrom)"
    page.evaluate("model('axis').value = 'twist_angle'; model('quantity').value = 'Q_M'; 1")
    page.wait_for("model('sweep').left[0].axis_label == 'Q_M'")
    assert shown(page, "x") == [13.2, 21.8] * 3
    assert shown(page, "y") == [-3, -0, -4, -1, -5, -2]
    assert page.evaluate("model('sweep').below[0].axis_label") == "twist angle (°)"
