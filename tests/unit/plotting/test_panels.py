"""The data of every kind of plot: variables, units, shapes and a physical property of values."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import sweep_fields
from collect_sweep import collect_sweep
from compute_charge import compute_charge
from map_configuration import map_configuration
from moirepol.errors import JobError
from moirepol.physics.polarization import PC_PER_M
from moirepol.prediction import Prediction
from moirepol.predictor import Predictor
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.structure.names import System
from moirepol.workflow.figure_plan import PLOTS
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from plot_amplitudes import plot_amplitudes
from plot_angles import plot_angles
from plot_charge import plot_charge
from plot_charges import plot_charges
from plot_comparison import plot_comparison
from plot_domains import plot_domains
from plot_in_plane import plot_in_plane
from plot_mismatch import plot_mismatch
from plot_out_of_plane import plot_out_of_plane
from plot_parity import plot_parity
from plot_paths import plot_paths
from plot_pattern import plot_pattern
from plot_phases import plot_phases
from plot_relaxed_maps import plot_relaxed_maps
from plot_site_dipoles import plot_site_dipoles
from plot_stackings import plot_stackings
from plot_structure import plot_structure
from plot_switching import plot_switching
from plot_walls import plot_walls
from plot_wannier_centres import plot_wannier_centres
from support.dictionary import faults
from support.frames import A, D, stacked, with_dipoles
from support.maps import N, a_map, first_harmonics

ROUND_OFF = 1e-12


@pytest.fixture
def draw(tmp_path):
    """Draw a panel; return its data, which docs/data.md describes, and check the pictures."""

    def drawn(function, **arguments) -> xr.Dataset:
        files = [tmp_path / f"panel.{ending}" for ending in ("nc", "pdf", "png")]
        function(**arguments, **dict(zip(("data", "pdf", "png"), map(str, files), strict=True)))
        assert faults(files[0], Path("results/figures/panel.nc")) == []
        assert files[1].read_bytes().startswith(b"%PDF")
        with Image.open(files[2]) as picture:
            colours = picture.convert("RGB").getcolors(maxcolors=2**24)
        assert len(colours) > 10
        ds = read_netcdf(files[0])
        for name, variable in ds.data_vars.items():
            assert variable.dtype.kind != "f" or np.isfinite(variable).any(), name
        return ds

    return drawn


def variables(ds: xr.Dataset) -> set[str]:
    return {str(name) for name in ds.data_vars}


def at(ds: xr.Dataset, name: str, label: str) -> np.ndarray:
    """A variable (..., i, j) at a named point, which is a node of the grid."""
    place = np.array([ds[f"point_{axis}"].sel(point=label).item() for axis in "xy"])
    n = ds.sizes["i"]
    i, j = np.rint(place @ np.linalg.inv(ds["cell"].values) * n).astype(int) % n
    return ds[name].isel(i=i, j=j).values


class TestMaps:
    """P⊥ is odd under an exchange of the layers, and P∥ vanishes on the threefold axes."""

    @pytest.fixture
    def file(self, tmp_path):
        ds = a_map(first_harmonics(perp=3e-3, par=3.5e-3)).assign_attrs(space="configuration")
        write_netcdf(stamp(ds, "map"), tmp_path / "map.nc")
        return str(tmp_path / "map.nc")

    def test_out_of_plane(self, draw, file):
        ds = draw(plot_out_of_plane, polarization_map=file)
        assert "P_perp" in variables(ds)
        assert ds["P_perp"].shape == (N, N)
        assert ds["P_perp"].units == "e.angstrom"
        assert at(ds, "P_perp", "N") == pytest.approx(-3e-3, rel=1e-2)
        assert at(ds, "P_perp", "M") == pytest.approx(3e-3, rel=1e-2)
        assert abs(at(ds, "P_perp", "G")) < ROUND_OFF
        assert abs(ds["P_perp"].mean()) < ROUND_OFF

    def test_in_plane(self, draw, file):
        ds = draw(plot_in_plane, polarization_map=file)
        assert ds["P_par"].shape == (2, N, N)
        assert ds["P_par"].units == "e.angstrom"
        assert np.hypot(*ds["P_par"].values).max() == pytest.approx(3.5e-3, rel=1e-6)
        for label in "GNM":
            assert np.abs(at(ds, "P_par", label)).max() < ROUND_OFF

    def test_pattern(self, draw, file):
        ds = draw(plot_pattern, polarization_map=file)
        assert ds["P"].dims == ("component", "i", "j")
        assert np.abs(ds["P"].mean(("i", "j"))).max() < ROUND_OFF
        whole = at(ds, "P", "N")
        np.testing.assert_allclose(whole, [0, 0, -3e-3], atol=1e-4)

    def test_charge(self, draw, file, tmp_path):
        """Half a charge around N, its opposite around M, and none in the whole cell."""
        compute_charge(file, str(tmp_path / "charge.nc"), [N, 8 * N], 1e-6)
        ds = draw(plot_charge, charge=str(tmp_path / "charge.nc"))
        assert ds["charge_density"].dims == ("i", "j")
        Q = ds["Q_finite_difference"]
        assert Q.sel(region="N").item() == pytest.approx(-0.5, abs=3e-3)
        assert Q.sel(region="M").item() == pytest.approx(0.5, abs=3e-3)
        np.testing.assert_allclose(Q, ds["Q_sign_rule"], atol=3e-3)
        area = abs(np.linalg.det(ds["cell"].values))
        assert abs(ds["charge_density"].mean().item() * area) < 1e-6

    def test_relaxed_maps(self, draw, tmp_path):
        """Both rows have the same scale; data are on one grid."""
        files = []
        for number, name in enumerate(("AA_twist-5-6", "AA_twist-5-6_relaxed")):
            ds = a_map(first_harmonics(perp=(number + 1) * 1e-3), name).assign_attrs(space="real")
            write_netcdf(stamp(ds, "map"), tmp_path / f"{name}.nc")
            files.append(str(tmp_path / f"{name}.nc"))
        ds = draw(plot_relaxed_maps, polarization_maps=files)
        assert ds["P_perp"].dims == ("system", "i", "j")
        largest = np.abs(ds["P_perp"]).max(("i", "j")).values
        assert largest[1] / largest[0] == pytest.approx(2, rel=1e-6)
        with pytest.raises(JobError, match="allowed are a rigid and its relaxed one"):
            draw(plot_relaxed_maps, polarization_maps=files[::-1])

    def test_domains(self, draw, tmp_path):
        """Waves have walls as wide as their period, whatever their height."""
        maps, charges = [], []
        for name in ("AA_twist-5-6", "AA_twist-5-6_relaxed"):
            ds = a_map(first_harmonics(), name).assign_attrs(space="real")
            write_netcdf(stamp(ds, "map"), tmp_path / f"{name}.nc")
            maps.append(str(tmp_path / f"{name}.nc"))
            charges.append(str(tmp_path / f"{name}_charge.nc"))
            compute_charge(maps[-1], charges[-1], [N, 8 * N], 1e-6)
        ds = draw(plot_domains, polarization_maps=maps, charges=charges)
        assert ds["wall_width"].units == "angstrom"
        widths = ds["wall_width"].values
        assert widths[0] == pytest.approx(widths[1])
        assert 0.2 < widths[0] < 1  # the cell vectors have the length 1
        assert ((ds["domain_share"] > 0.2) & (ds["domain_share"] < 0.8)).all()
        np.testing.assert_allclose(ds["Q_N"], -0.5, atol=0.01)

    def test_switching(self, draw, tmp_path):
        """The uniform polarization by a field changes no domain; a moved wall does."""
        files = []
        for field, shift in ((-0.02, 0.0), (0.0, 0.0), (0.02, 1e-3)):
            name = System.parse(f"AA_twist-30-31_relaxed_field{field:+.4f}").name
            ds = a_map(first_harmonics(offset=0.02 * field), name).assign_attrs(space="real")
            away = np.ones((N, N))
            away[N // 3, N // 3] = away[2 * N // 3, 2 * N // 3] = 0
            ds["P"][2] += shift * away
            write_netcdf(stamp(ds, "map"), tmp_path / f"{name}.nc")
            files.append(str(tmp_path / f"{name}.nc"))
        ds = draw(plot_switching, polarization_maps=files).sortby("field")
        assert ds["net_P"].units == "pC m-1"
        area, net = ds["area_up"].values, ds["net_P"].values
        assert area[0] == pytest.approx(area[1], abs=0.06)  # nodes on the border
        assert net[:2] == pytest.approx(0, abs=1e-9)
        assert area[2] > max(area[:2]) + 0.05
        assert net[2] > 1e-3

    def test_walls(self, draw, tmp_path):
        """The lines of the contributions add up to the total."""
        layers = np.stack([first_harmonics(par=k * 1e-3) for k in range(1, 6)])
        names = ["local stacking", "heights", "relaxed ions", "displacement gradient", "long range"]
        ds = a_map(first_harmonics(), "AA_twist-30-31_relaxed").drop_vars(["P", "P_layer"])
        ds["P"] = ("term", "layer", "component", "i", "j"), layers
        ds["P"].attrs["units"] = "e.angstrom"
        write_netcdf(stamp(ds.assign_coords(term=names), "terms"), tmp_path / "terms.nc")
        shown = draw(plot_walls, terms=[str(tmp_path / "terms.nc")])
        sizes = np.abs(shown["P_par"]).max("step").squeeze().values
        np.testing.assert_allclose(sizes / sizes[0], [1, 2, 3, 4, 5], rtol=1e-6)

    def test_paths_out_of_plane(self, draw, tmp_path):
        """A field adds a constant to P⊥ and nothing to P∥."""
        files = []
        for field in (0.02, 0.0, -0.02):
            system = System.parse("AA_twist-30-31").model_copy(update={"field_V_per_A": field}).name
            ds = a_map(first_harmonics(offset=0.1 * field), system)
            files.append(str(tmp_path / f"{field}.nc"))
            write_netcdf(stamp(ds, "map"), files[-1])
        ds = draw(plot_paths, polarization_maps=files, quantity="P_perp")
        assert variables(ds) >= {"P_perp", "distance"}
        assert ds["P_perp"].dims == ("field", "step")
        assert list(ds["field"].values) == [-0.02, 0.0, 0.02]
        shift = ds["P_perp"] - ds["P_perp"].sel(field=0)
        np.testing.assert_allclose(shift.mean("step"), [-2e-3, 0, 2e-3], atol=ROUND_OFF)
        assert float(shift.std("step").max()) < ROUND_OFF
        assert ds["distance"].values[0, -1] == pytest.approx(np.sqrt(3), rel=1e-6)
        par = draw(plot_paths, polarization_maps=files, quantity="P_par")
        np.testing.assert_allclose(par["P_par"].sel(field=0.02), par["P_par"].sel(field=0))
        assert (par["P_par"] >= 0).all() and float(par["P_par"].max()) > 1e-3

    def test_paths_of_two_bilayers_are_rejected(self, draw, tmp_path):
        files = []
        for name in ("AA_twist-30-31", "AA_twist-5-6_field+0.0200"):
            files.append(str(tmp_path / f"{name}.nc"))
            write_netcdf(stamp(a_map(first_harmonics(), name), "map"), files[-1])
        with pytest.raises(JobError, match="^AA_twist-30-31, AA_twist-5-6: allowed is one bil"):
            draw(plot_paths, polarization_maps=files, quantity="P_perp")

    def test_angles(self, draw, tmp_path):
        """P∥ in proportion to the angle stays so."""
        files = []
        for name in ("AAp_twist-10-11", "AAp_twist-5-6", "AAp_twist-20-21"):
            angle = System.parse(name).twist_angle_deg
            files.append(str(tmp_path / f"{name}.nc"))
            ds = a_map(first_harmonics(par=1e-4 * angle), name)
            ds["P_error"] = ds["P"].dims, np.full(ds["P"].shape, 2e-5)
            write_netcdf(stamp(ds, "map"), files[-1])
        labels = [str(Path(__file__).parents[3] / "resources" / "labels" / "twist_aap.nc")]
        ds = draw(plot_angles, polarization_maps=files, labels=labels)
        assert ds["label"].values.tolist() == ["AAp_twist-2-3"]
        assert 2e-3 < ds["direct"].item() < 3e-3
        names = {"P_par_largest", "P_par_largest_error", "direct", "direct_angle"}
        assert variables(ds) == names
        assert (np.diff(ds["angle"]) > 0).all()
        np.testing.assert_allclose(ds["P_par_largest"] / ds["angle"], 1e-4)
        np.testing.assert_allclose(ds["P_par_largest_error"], 2e-5)


class TestSlides:
    """Made from untwisted bilayers whose dipoles are known functions of the stacking."""

    @pytest.fixture
    def space(self, tmp_path):
        folder = tmp_path / "space"
        folder.mkdir()
        names = [f"AA_slide-{i}-{j}-6" for i in range(6) for j in range(6)]
        write_netcdf(to_dataset([scaled(name) for name in names]), folder / "slides.nc")
        map_configuration(str(folder / "slides.nc"), str(folder / "map.nc"), "AA", 6, 12)
        return str(folder / "map.nc")

    def test_stackings(self, draw, space):
        ds = draw(
            plot_stackings,
            configuration_map=space,
            family="AA",
            lattice_constant_A=A,
            layer_distance_A=D,
        )
        assert variables(ds) >= {"P", "P_layer", "point_group"}
        assert ds["P"].dims == ("component", "point")
        assert ds["P"].units == "e.angstrom"
        P = ds["P"].sel(component="z")
        assert abs(P.sel(point="G").item()) < ROUND_OFF
        assert P.sel(point="N").item() == pytest.approx(-P.sel(point="M").item())
        assert abs(P.sel(point="N").item()) > 1e-3
        np.testing.assert_allclose(ds["P_layer"].sum("layer"), ds["P"], atol=ROUND_OFF)
        groups = dict(zip(ds["point"].values, ds["point_group"].values, strict=True))
        assert groups == {"G": "-6m2", "N": "3m", "M": "3m", "A": "mm2"}

    def test_amplitudes(self, draw, space, tmp_path):
        """Dipoles that depend on the stacking alone have the same harmonic at every angle."""
        files = []
        for name in ("AA_twist-3-4", "AA_twist-5-6"):
            files.append(str(tmp_path / f"{name}.nc"))
            frame = scaled(name)
            frame.info["mesh_1"] = 2
            settings = {"recipe": {"ecutwfc_Ry": 30}}
            write_netcdf(stamp(to_dataset([frame]), "labels", settings), files[-1])
        ds = draw(plot_amplitudes, dipoles=files, configuration_map=space, labels=files[:1])
        assert variables(ds) >= {"amplitude", "mapped", "angle", "source", "system"}
        assert ds["amplitude"].dims == ("case", "part")
        assert list(ds["source"].values).count("direct DFT, 30 Ry") == 1
        for part in ("P_perp", "P_par"):
            mapped = ds["mapped"].sel(part=part).item()
            assert mapped > 1e-4
            np.testing.assert_allclose(ds["amplitude"].sel(part=part), mapped, rtol=1e-6)


def scaled(name, offset=0.0):
    """A frame of `stacked` with dipoles of the size of h-BN's, and the same p_z added to all."""
    atoms = stacked(name)
    atoms.set_array("dipole", 1e-3 * atoms.arrays["dipole"] + [0, 0, offset])
    return atoms


class TestSites:
    NAME = "AA_twist-2-3"

    @pytest.fixture
    def dipoles(self, tmp_path):
        write_netcdf(to_dataset([scaled(self.NAME)]), tmp_path / "dipoles.nc")
        return str(tmp_path / "dipoles.nc")

    def test_site_dipoles(self, draw, dipoles):
        ds = draw(plot_site_dipoles, dipoles=dipoles)
        assert variables(ds) >= {"position", "dipole", "layer", "cell"}
        atoms = scaled(self.NAME)
        assert ds["dipole"].shape == (len(atoms) // 2, 3)
        np.testing.assert_allclose(ds["dipole"], atoms.dipoles)
        z = ds["dipole"].sel(component="z")
        lower, upper = (z.where(ds["layer"] == layer).mean().item() for layer in (0, 1))
        assert lower == pytest.approx(-upper)
        assert upper > 1e-4

    def test_structure(self, draw):
        ds = draw(plot_structure, system=self.NAME, lattice_constant_A=A, layer_distance_A=D)
        assert variables(ds) >= {"position", "layer", "number", "cell"}
        assert ds["position"].shape == (len(build(self.NAME, A, D)), 3)
        assert (ds["number"] == 5).sum() == (ds["number"] == 7).sum()
        z = ds["position"].sel(component="z")
        gap = z.where(ds["layer"] == 1).mean() - z.where(ds["layer"] == 0).mean()
        assert gap.item() == pytest.approx(D)
        area = abs(np.linalg.det(ds["cell"].values))
        assert area == pytest.approx(ds.sizes["atom"] / 4 * np.sqrt(3) / 2 * A**2)

    def test_comparison(self, draw, dipoles, tmp_path):
        """A p_z added to every site is the error, and twice of it the difference of the maps."""
        write_netcdf(to_dataset([scaled(self.NAME, offset=1e-5)]), tmp_path / "label.nc")
        ds = draw(plot_comparison, dipoles=dipoles, labels=[str(tmp_path / "label.nc")])
        assert list(ds["source"].values) == ["model", "direct DFT"]
        assert ds["P"].dims == ("source", "component", "i", "j")
        np.testing.assert_allclose(ds["error"].squeeze(), [0, 0, 1e-5], atol=ROUND_OFF)
        difference = ds["P"].sel(source="direct DFT") - ds["P"].sel(source="model")
        np.testing.assert_allclose(difference.sel(component="z"), 2e-5, atol=ROUND_OFF)

    def test_comparison_without_a_label(self, draw, dipoles):
        ds = draw(plot_comparison, dipoles=dipoles, labels=[])
        assert list(ds["source"].values) == ["model"]
        assert "error" not in ds

    def test_wannier_centres(self, draw, root):
        labels = root / "resources" / "labels"
        files = {"parallel": labels / "aa.nc", "antiparallel": labels / "aap.nc"}
        ds = draw(plot_wannier_centres, **files)
        assert variables(ds) >= {"wannier_centre", "dipole", "site_place", "bonded_place"}
        assert ds["wannier_centre"].sizes["centre"] == 4
        net = ds["dipole"].sum("layer").sel(component="z")
        assert net.sel(stacking="{E|N}").item() < -1e-3
        assert abs(net.sel(stacking="{E|G}").item()) < 2e-5

    def test_parity(self, draw, tmp_path):
        rng = np.random.default_rng(0)
        settings = {"family": "AA", "kind": "zero_field", "field_V_per_A": 0}
        dft = rng.normal(0, 3e-3, (6, 3))
        units = {"units": "e.angstrom"}
        ds = xr.Dataset(
            {
                "dft": (("sample", "component"), dft, units),
                "model": (("sample", "component"), dft + 1e-6, units),
                "split": ("sample", ["train", "validation"] * 3),
            },
            coords={"component": ["x", "y", "z"]},
        )
        write_netcdf(stamp(ds, "parity", settings), tmp_path / "0.nc")
        response = settings | {"kind": "response", "field_V_per_A": 0.02}
        write_netcdf(stamp(ds, "parity", response), tmp_path / "1.nc")
        ds = draw(plot_parity, parities=[str(tmp_path / f"{k}.nc") for k in (0, 1)])
        assert variables(ds) == {"dft", "model", "split", "learned"}
        assert ds["dft"].shape == (12, 3)
        np.testing.assert_allclose(ds["model"] - ds["dft"], 1e-6)
        assert len(set(ds["learned"].values)) == 2


class TestSweeps:
    """Dipoles of known form, to which a field adds the same p_z on every site."""

    OFFSET, SLOPE = 5e-4, 0.4

    @pytest.fixture
    def sweep(self, tmp_path, monkeypatch):
        class Powers:
            def __init__(self, offset, slope):
                self.offset, self.slope, self.settings = offset, slope, {}

            def expand(self, atoms):
                self.atoms = atoms
                return self

            def powers(self):
                zero = 1e-3 * with_dipoles(self.atoms.copy()).dipoles + [0, 0, self.offset]
                response = np.broadcast_to([0, 0, self.slope], zero.shape)
                return np.stack([[zero] * 2, [response] * 2])

        def made(systems, fields, offset):
            monkeypatch.setattr(Predictor, "from_files", lambda *files: Powers(offset, self.SLOPE))
            files = []
            for name in systems:
                files.append(str(tmp_path / f"{name}.nc"))
                sweep_fields.sweep_fields(
                    Prediction(name, [], A, D), files[-1], fields, 24, 24, 1e-6
                )
            collect_sweep(files, str(tmp_path / "sweep.nc"), systems, [0.0])
            return str(tmp_path / "sweep.nc")

        return made

    def test_charges(self, draw, sweep):
        """One charge is whole between the thresholds of G and of N or M; beyond them both are 0."""
        fields = [-0.01, -0.003, 0.0, 0.003, 0.01]
        ds = draw(plot_charges, sweep=sweep(["AA_twist-3-4"], fields, 0.0))
        assert ds["Q"].dims == ("field", "scheme", "region")
        zero = ds["threshold_field"]
        assert abs(zero.sel(deciding="G").item()) < 1e-9
        assert zero.sel(deciding="N").item() == pytest.approx(-zero.sel(deciding="M").item())
        P = ds["P_point"].sel(component="z", field=0)
        for label in "NM":
            expected = -P.sel(point=label).item() / (2 * self.SLOPE)
            assert zero.sel(deciding=label).item() == pytest.approx(expected)
        Q = ds["Q"].sel(scheme="berg_luscher", region=["N", "M"])
        for field, expected in zip(fields, ([0, 0], [0, 1], [0.5, 0.5], [0, 1], [0, 0])):
            found = np.sort(np.abs(Q.sel(field=field)))
            np.testing.assert_allclose(found, expected, atol=1e-6)

    SYSTEMS = ("AA_mismatch-11-10", "AA_mismatch-9-10")

    def test_phases(self, draw, sweep):
        ds = draw(plot_phases, sweep=sweep([*self.SYSTEMS], [-0.01, 0.0, 0.01], 0.0))
        assert variables(ds) == {"threshold_field", "threshold_field_error", "Q", "Q_error"}
        assert ds["threshold_field"].dims == ("system", "deciding")
        assert (np.diff(ds["eta"]) > 0).all()
        thresholds = ds["threshold_field"]
        np.testing.assert_allclose(thresholds.sel(deciding="G"), 0, atol=1e-9)
        np.testing.assert_allclose(
            thresholds.sel(deciding="N"), -thresholds.sel(deciding="M"), rtol=1e-6
        )

    def test_mismatch(self, draw, sweep, tmp_path):
        """Model and direct cell agree: at G and on average only the added p_z is left."""
        write_netcdf(to_dataset([scaled(self.SYSTEMS[1], self.OFFSET)]), tmp_path / "direct.nc")
        ds = draw(
            plot_mismatch,
            sweep=sweep([*self.SYSTEMS], [0.0], self.OFFSET),
            labels=[str(tmp_path / "direct.nc")],
            trained_eta=[0.0],
        )
        assert ds["at_G"].dims == ("system",)
        assert ds["net"].units == "pC/m"
        for name in ("at_G", "mean", "direct_at_G", "direct_mean"):
            np.testing.assert_allclose(ds[name], 2 * self.OFFSET, rtol=1e-6)
        atoms = build(self.SYSTEMS[1], A, D)
        total = scaled(self.SYSTEMS[1], self.OFFSET).dipoles[:, 2].sum()
        net = PC_PER_M * total / abs(np.linalg.det(atoms.cell.array[:2, :2]))
        assert ds["direct_net"].item() == pytest.approx(net)
        direct = ds["net"].isel(system=int(np.argmax(ds["system"].values == self.SYSTEMS[1])))
        assert direct.item() == pytest.approx(net)


def test_every_kind_of_plot_has_a_test_of_its_data():
    tested = {
        name.removeprefix("test_")
        for group in (TestMaps, TestSlides, TestSites, TestSweeps)
        for name in vars(group)
    }
    assert not [
        plot for plot in PLOTS if not any(f"{name}_".startswith(f"{plot}_") for name in tested)
    ]
