"""The page of a map in a real browser: values under the pointer, layers, zoom, no network."""

import re
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest

from compute_charge import compute_charge
from moirepol.physics.polarization import map_of_bilayer
from moirepol.plotting import UNIT
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from support import browser
from support.frames import stacked
from view_map import view_map

SYSTEM = "AA_twist-3-4"
#: The document of the page, and the views of its two plots.
START = """
    (() => {
        if (typeof Bokeh == 'undefined' || !Bokeh.documents[0]?.is_idle) return false
        window.model = (name) => Bokeh.documents[0].get_model_by_name(name)
        window.view = (name) => Bokeh.index.find_one_by_id(model(name).id)
        return view('map') != null
    })()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Map, charge and page of a made-up pattern of known values."""
    folder = tmp_path_factory.mktemp("views")
    polarization_map, charge, page = (
        folder / name for name in ("map.nc", "charge.nc", "page.html")
    )
    frame = stacked(SYSTEM)
    frame.arrays["dipole"] /= UNIT
    write_netcdf(stamp(map_of_bilayer(frame, 48), "Local polarization"), polarization_map)
    compute_charge(polarization_map, charge, [24, 48], 1e-6)
    view_map(polarization_map, charge, page)
    return read_netcdf(polarization_map), page


@pytest.fixture
def page(files, tmp_path):
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    with browser.page(files[1], tmp_path / "profile") as page:
        page.wait_for(START)
        yield page
        assert not page.errors


def on_screen(page, plot, x, y):
    """Where in the window a place of a plot, in its own units, is drawn."""
    return page.evaluate(
        f"""(() => {{
            const v = view('{plot}'), r = v.canvas_view.el.getBoundingClientRect()
            const frame = v.frame
            return [r.x + frame.x_scale.compute({x}), r.y + frame.y_scale.compute({y})]
        }})()"""
    )


def tooltip(page):
    """Rows of the tooltip on the screen, across the shadow trees that bokeh draws in."""
    text = page.wait_for(
        """(() => {
            const within = (root) => [...root.querySelectorAll('*')].flatMap((e) => [
                ...(e.classList.contains('bk-tooltip-content') ? [e.innerText] : []),
                ...(e.shadowRoot ? within(e.shadowRoot) : []),
            ])
            return within(document).join('\\n')
        })()"""
    )
    return dict(re.findall(r"(.+?):\s*(.+)", text))


def button(page, group, label):
    """Where in the window a button of a group stands."""
    return page.evaluate(
        f"""(() => {{
            const own = [...view('{group}').shadow_el.querySelectorAll('.bk-btn')]
            const r = own.find((e) => e.innerText == '{label}').getBoundingClientRect()
            return [r.x + r.width / 2, r.y + r.height / 2]
        }})()"""
    )


def ink(page, folder):
    """Mean colour (3,) of the map as it is seen."""
    page.screenshot(folder / "seen.png")
    x0, y0, x1, y1 = page.evaluate(
        """(() => {
            const v = view('map'), r = v.canvas_view.el.getBoundingClientRect(), b = v.frame.bbox
            return [r.x + b.left, r.y + b.top, r.x + b.right, r.y + b.bottom]
        })()"""
    )
    seen = plt.imread(folder / "seen.png")[int(y0) : int(y1), int(x0) : int(x1), :3]
    return seen.mean(axis=(0, 1))


def test_the_page_holds_all_it_needs(page):
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("point", ["N", "M", "C"])
def test_the_pointer_reads_the_map(page, files, point):
    ds = files[0]
    x, y = (float(ds[f"point_{axis}"].sel(point=point)) for axis in "xy")
    px, py = on_screen(page, "map", x, y)
    page.move(px - 5, py)
    page.move(px, py)
    at = tooltip(page)
    node = np.argmin((ds["x"] - x).values ** 2 + (ds["y"] - y).values ** 2)
    P, P_layer = (
        UNIT * ds[name].values.reshape(*ds[name].shape[:-2], -1)[..., node]
        for name in ("P", "P_layer")
    )
    step = UNIT * np.ptp(ds["P"].values) / 40
    assert float(at["P⊥"]) == pytest.approx(P[2], abs=step)
    for layer, own in zip(("lower layer", "upper layer"), P_layer, strict=True):
        read = [float(number) for number in at[layer].strip("()").split(",")]
        assert read == pytest.approx(own, abs=step)


def test_the_pointer_on_the_cut_marks_the_map(page, files):
    ds = files[0]
    length = np.linalg.norm(ds["cell"].values.sum(axis=0))
    px, py = on_screen(page, "cut", length / 3, 0)
    page.move(px - 5, py)
    page.move(px, py)
    at = tooltip(page)
    P_perp = UNIT * float(ds["P"].sel(component="z").values[16, 16])
    assert abs(float(at["P⊥"])) == pytest.approx(abs(P_perp), rel=1e-3)
    marked = page.evaluate("[model('marker').data.x[0], model('marker').data.y[0]]")
    N = [float(ds[f"point_{axis}"].sel(point="N")) for axis in "xy"]
    assert marked == pytest.approx(N, abs=length / 48)


def wait_for_ink(page, folder, before, changed):
    """Wait until the map looks otherwise than `before`, or like it again."""
    end = time.monotonic() + browser.WAIT_S
    while (np.abs(ink(page, folder) - before).max() > 1e-5) != changed:
        assert time.monotonic() < end, "the map stays as it is"
        time.sleep(0.2)


@pytest.mark.parametrize("label", ["P∥ arrows", "P⊥ = 0", "unit cell", "named points"])
def test_a_layer_goes_and_comes_back(page, tmp_path, label):
    before = ink(page, tmp_path)
    for changed in (True, False):
        page.click(*button(page, "layers", label))
        wait_for_ink(page, tmp_path, before, changed)


@pytest.mark.parametrize("label", ["|P∥|", "charge density q", "none"])
def test_colours_can_be_chosen(page, tmp_path, label):
    before = ink(page, tmp_path)
    page.click(*button(page, "colours", label))
    wait_for_ink(page, tmp_path, before, True)
    px, py = on_screen(page, "map", 5.0, 8.0)
    page.move(px - 5, py)
    page.move(px, py)
    assert "P⊥" in tooltip(page)


def test_the_wheel_zooms(page):
    width = "model('map').x_range.end - model('map').x_range.start"
    before = page.evaluate(width)
    page.wheel(*on_screen(page, "map", 5.0, 8.0), -300)
    page.wait_for(f"{width} < 0.9 * {before}")
