"""The page of a map in a real browser: values under the pointer, layers, zoom, no network."""

import re
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest

from compare_maps import compare_maps
from compute_charge import compute_charge
from compute_potential import compute_potential
from link_name import link_name
from moirepol.physics.polarization import along_diagonal, map_of_bilayer
from moirepol.plotting import UNIT
from moirepol.structure.recognition import recognize
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from support import browser
from support.frames import A, stacked, with_dipoles
from view_map import view_map

SYSTEM = "AA_twist-3-4"
#: Settings of the potential.
SETTINGS = {"heights_A": [3.0, 8.0]}
#: The document of the page, and the views of its two plots.
START = """
    (() => {
        if (typeof Bokeh == 'undefined' || !Bokeh.documents[0]?.is_idle) return false
        window.model = (name) => Bokeh.documents[0].get_model_by_name(name)
        window.view = (name) => Bokeh.index.find_one_by_id(model(name).id)
        return view('map') != null
    })()
"""

#: All words of the page that are visible, across the shadow trees that bokeh draws in.
TEXT = """
    (() => {
        const within = (root) => [...root.querySelectorAll('*')].flatMap((e) => [
            ...(['P', 'TD', 'H2'].includes(e.tagName) && e.checkVisibility() ? [e.innerText] : []),
            ...(e.shadowRoot ? within(e.shadowRoot) : []),
        ])
        return within(document).join(' ')
    })()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Map, potential and page of a made-up pattern of known values."""
    folder = tmp_path_factory.mktemp("views")
    polarization_map, charge, potential, page = (
        folder / name for name in ("map.nc", "charge.nc", "potential.nc", "page.html")
    )
    frame = stacked(SYSTEM)
    frame.arrays["dipole"] /= UNIT
    frame.set_array("dipole_short_range", frame.arrays["dipole"] / 2)
    write_netcdf(stamp(map_of_bilayer(frame, 48), "Local polarization"), polarization_map)
    compute_charge(polarization_map, charge, [24, 48], 1e-6)
    compute_potential(polarization_map, SETTINGS, potential)
    view_map([polarization_map], [charge], page, 1e-6, SETTINGS, [potential])
    return read_netcdf(polarization_map), page, read_netcdf(potential)


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


def number(text):
    """The number at the start of a value with its unit."""
    value, unit = text.split(maxsplit=1)
    assert unit
    return float(value.replace("\N{MINUS SIGN}", "-"))


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
    assert number(at["P⊥"]) == pytest.approx(P[2], abs=step)
    for layer, own in zip(("lower layer", "upper layer"), P_layer, strict=True):
        read = [float(text) for text in re.findall(r"\((.+)\)", at[layer])[0].split(",")]
        assert read == pytest.approx(own, abs=step)


def test_the_pointer_on_the_cut_marks_the_map(page, files):
    ds = files[0]
    length = np.linalg.norm(ds["cell"].values.sum(axis=0))
    px, py = on_screen(page, "cut", length / 3, 0)
    page.move(px - 5, py)
    page.move(px, py)
    at = tooltip(page)
    P_perp = UNIT * float(ds["P"].sel(component="z").values[16, 16])
    assert abs(number(at["P⊥"])) == pytest.approx(abs(P_perp), rel=1e-3)
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


def test_the_cut_has_the_letters_of_the_map(files):
    """Its middle is the point C of the map, not another midpoint."""
    ds = files[0]
    n = ds.sizes["i"]
    _, places = along_diagonal(ds, ds["P"].values)
    for letter, place in zip("GNCM", places[[0, n // 3, n // 2, 2 * n // 3]], strict=True):
        point = np.array([float(ds[f"point_{axis}"].sel(point=letter)) for axis in "xy"])
        apart = (place - point) @ np.linalg.inv(ds["cell"].values)
        assert np.abs(apart - np.rint(apart)).max() < 1e-6, letter


def test_the_potential_is_read_at_the_chosen_height(page, files, tmp_path):
    ds, _, potential = files
    x, y = (float(ds[f"point_{axis}"].sel(point="M")) for axis in "xy")
    node = np.unravel_index(
        np.argmin((ds["x"] - x).values ** 2 + (ds["y"] - y).values ** 2), (48, 48)
    )
    page.click(*button(page, "colours", "potential φ"))
    page.wait_for("model('map').title.text == 'potential φ (mV)'")
    for height, label in enumerate(("φ at 3 Å", "φ at 8 Å")):
        if height:  # the first height is chosen already
            page.click(*button(page, "heights", label))
        page.wait_for(f"model('heights').active == {height}")
        px, py = on_screen(page, "map", x, y)
        page.move(px - 5, py)
        page.move(px, py)
        expected = potential["phi"].values[(height, *node)]
        assert number(tooltip(page)["φ"]) == pytest.approx(expected, rel=0.1)
    assert page.evaluate("model('colours').labels[model('colours').active]") == "potential φ"


def press(page, key):
    """Press a key anywhere on the page."""
    page.evaluate(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")


def at_point(page, ds, point):
    """Rows of the tooltip at a named point of the map."""
    x, y = (float(ds[f"point_{axis}"].sel(point=point)) for axis in "xy")
    px, py = on_screen(page, "map", x, y)
    page.move(px - 5, py)
    page.move(px, py)
    return tooltip(page)


@pytest.mark.parametrize("by_key", [False, True])
def test_the_variants_have_one_scale_and_their_own_texts(page, files, by_key):
    """Without the long range, the dipoles of the made-up map have half the size."""
    page.click(*button(page, "heights", "φ at 8 Å"))
    page.wait_for("model('heights').active == 1")
    cut = "Math.max(...model('cut').renderers[0].data_source.data.P_perp)"
    highs = (
        "[...Bokeh.documents[0]._all_models.values()]"
        ".filter((m) => m.type == 'LinearColorMapper').map((m) => m.high)"
    )
    whole, on_cut, scale = at_point(page, files[0], "M"), page.evaluate(cut), page.evaluate(highs)
    words = "Not included: the long-range electrostatics."
    assert words not in page.evaluate(TEXT)
    for number_of, factor in ((1, 0.5), (0, 1.0)):
        if by_key:
            press(page, "v")
        else:
            page.click(*button(page, "variants", ("rigid", "rigid, no long range")[number_of]))
        page.wait_for(f"model('variants').active == {number_of}")
        shown = at_point(page, files[0], "M")
        for row in ("P⊥", "φ"):
            assert number(shown[row]) == pytest.approx(factor * number(whole[row]), rel=0.02)
        assert page.evaluate(cut) == pytest.approx(factor * on_cut)
        assert page.evaluate(highs) == scale
        text = page.evaluate(TEXT)
        assert (words in text) == ("variable P_layer_short_range" in text) == (factor < 1)


def test_keys_choose_colours_layers_and_zoom(page):
    press(page, "2")
    assert page.evaluate("model('colours').active") == 1
    press(page, "a")
    assert 0 not in page.evaluate("model('layers').active")
    press(page, "a")
    assert 0 in page.evaluate("model('layers').active")
    width = "model('map').x_range.end - model('map').x_range.start"
    before = page.evaluate(width)
    press(page, "+")
    assert page.evaluate(width) == pytest.approx(0.8 * before)
    press(page, "0")
    assert page.evaluate(width) == pytest.approx(before)


def test_the_page_links_its_data(page):
    links = page.evaluate("""
        (() => {
            const within = (root) => [...root.querySelectorAll('*')].flatMap((e) => [
                ...(e.tagName == 'A' && e.getAttribute('href') ? [e.getAttribute('href')] : []),
                ...(e.shadowRoot ? within(e.shadowRoot) : []),
            ])
            return within(document)
        })()
    """)
    assert {"map.nc", "charge.nc", "potential.nc"} <= set(links)


def test_the_page_of_an_own_structure(tmp_path):
    """A rotated and rounded file: its page reads the map and states that it is a file."""
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    atoms = stacked(SYSTEM).to_atoms()
    atoms.positions += [3.3, 1.7, 0]
    atoms.rotate(33, "z", rotate_cell=True)
    atoms.positions = atoms.positions.round(8)
    own = recognize(atoms, "mine", A)
    sampled = with_dipoles(own.sample(16))
    sampled.arrays["dipole"] /= UNIT
    ds = map_of_bilayer(sampled, 48).assign_attrs(description=own.description)
    files = [tmp_path / name for name in ("map.nc", "charge.nc", "page.html", "potential.nc")]
    polarization_map, charge, page, potential = files
    write_netcdf(stamp(ds, "Local polarization of mine"), polarization_map)
    compute_charge(polarization_map, charge, [24, 48], 1e-6)
    compute_potential(polarization_map, SETTINGS, potential)
    view_map([polarization_map], [charge], page, 1e-6, SETTINGS, [potential])
    with browser.page(page, tmp_path / "profile") as opened:
        opened.wait_for(START)
        assert opened.evaluate("document.title").startswith("structure mine, parallel layers (AA)")
        words = " ".join(opened.evaluate(TEXT).split())
        assert "The layers are those of the file." in words
        x, y = (float(ds[f"point_{axis}"].sel(point="N")) for axis in "xy")
        px, py = on_screen(opened, "map", x, y)
        opened.move(px - 5, py)
        opened.move(px, py)
        P = UNIT * float(ds["P"].sel(component="z").values[16, 16])
        assert number(tooltip(opened)["P⊥"]) == pytest.approx(P, rel=0.05)
        assert not opened.errors
    Q = read_netcdf(charge)["Q"].isel(grid=-1)
    assert abs(Q.sel(region="total")).max() < 1e-3


def test_two_maps_have_one_scale(files, tmp_path):
    """The buttons of one map act on the other, and the colours have the same ends."""
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    maps, charges = [], []
    for index, factor in enumerate((1.0, 0.5)):
        frame = stacked(SYSTEM)
        frame.arrays["dipole"] *= factor / UNIT
        maps.append(tmp_path / f"map{index}.nc")
        charges.append(tmp_path / f"charge{index}.nc")
        write_netcdf(stamp(map_of_bilayer(frame, 48), "Local polarization"), maps[-1])
        compute_charge(maps[-1], charges[-1], [24, 48], 1e-6)
    compare_maps(maps, charges, ["AA_angle-9", SYSTEM], tmp_path / "page.html")
    with browser.page(tmp_path / "page.html", tmp_path / "profile") as page:
        page.wait_for("typeof Bokeh != 'undefined' && Bokeh.documents[0]?.is_idle")
        named = "[...Bokeh.documents[0]._all_models.values()].filter((m) => m.name == '%s')"
        mappers = (
            "[...Bokeh.documents[0]._all_models.values()]"
            ".filter((m) => m.type == 'LinearColorMapper').map((m) => m.high)"
        )
        highs = [high for high in page.evaluate(mappers) if high]
        # Separate scales would be five: P_perp and P_par of each map, and q.
        assert len(highs) == 6 and len({round(high, 6) for high in highs}) == 3
        page.evaluate(f"{named % 'colours'}[0].active = 1")
        assert page.evaluate(f"{named % 'colours'}.map((m) => m.active)") == [1, 1]
        headings = page.evaluate("document.title").split(" | ")
        assert headings[0].startswith(f"AA_angle-9: {SYSTEM}, Parallel")
        assert "Twist angle of 9.43° instead of 9°" in headings[0]
        assert headings[1].startswith("Parallel")
        assert not page.errors


def test_a_page_of_relaxed_layers_shows_the_rigid_ones(files, tmp_path):
    """Both maps and both summaries are on one page. Each has its own error and its own files."""
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    ds, _, potential = files
    maps = [tmp_path / "relaxed.nc", tmp_path / "rigid.nc"]
    charge = tmp_path / "charge.nc"
    for path, system, error in zip(maps, (f"{SYSTEM}_relaxed", SYSTEM), (2e-4, 1e-4), strict=True):
        one = ds.assign_attrs(system=system)
        one["P_error"] = ds["P"].dims, np.full(ds["P"].shape, error)
        write_netcdf(one, path)
    compute_charge(maps[0], charge, [24, 48], 1e-6)
    above = tmp_path / "potential.nc"
    write_netcdf(potential, above)
    page = tmp_path / "page.html"
    view_map(maps, [charge] * 2, page, 1e-6, SETTINGS, [above] * 2)
    with browser.page(page, tmp_path / "profile") as opened:
        opened.wait_for(START)
        labels = ["relaxed", "relaxed, no long range", "rigid", "rigid, no long range"]
        assert opened.evaluate("model('variants').labels") == labels
        for number_of, error, file in ((0, "±0.200", "relaxed.nc"), (2, "±0.100", "rigid.nc")):
            opened.evaluate(f"model('variants').active = {number_of}")
            text = opened.wait_for(f"({TEXT}).includes('{error}') && {TEXT}")
            assert f"/{file}" in text
            assert ("The layers are relaxed." in text) == (number_of == 0)
        assert not opened.errors


def test_a_page_by_another_name_states_the_request(files, tmp_path):
    """The line is above the map, and the page works as the other."""
    if browser.find() is None:
        pytest.skip("apt install chromium: no browser found")
    page, link = tmp_path / f"{SYSTEM}.html", tmp_path / "AA_angle-9.html"
    page.write_bytes(files[1].read_bytes())
    link_name(str(page), str(link), "AA_angle-9", ".html")
    with browser.page(link, tmp_path / "profile") as opened:
        opened.wait_for(START)
        words = opened.evaluate("document.querySelector('body > p').innerText")
        assert words.startswith(f"AA_angle-9: {SYSTEM}, Parallel layers (AA), twisted by 9.430°")
        assert "Twist angle of 9.43° instead of 9°" in words
        assert opened.evaluate("document.querySelector('body > p').getBoundingClientRect().y") < 50
        assert not opened.errors


def test_another_file_by_another_name_is_a_link(tmp_path):
    file, link = tmp_path / f"{SYSTEM}_potential.json", tmp_path / "AA_angle-9_potential.json"
    file.write_text("{}")
    link_name(str(file), str(link), "AA_angle-9", "_potential.json")
    assert link.is_symlink()
    assert link.read_text() == "{}"
