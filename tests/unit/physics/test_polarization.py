"""The interpolated field passes through the dipoles and keeps their symmetries to round-off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_charge import compute_charge
from map_configuration import map_configuration
from moirepol.errors import JobError
from moirepol.physics import polarization
from moirepol.physics.polarization import point_fractions
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames, to_dataset
from moirepol.structure.symmetry import distinct_slides, layer_symmetries, symmetry_copies
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from support.frames import STAR, A, D, stacked


@given(st.lists(st.integers(-30, 30), min_size=4, max_size=4))
@settings(max_examples=200)
def test_diagonal_form_is_unimodular(numbers):
    matrix = np.array(numbers).reshape(2, 2)
    if round(np.linalg.det(matrix)) == 0:
        return
    U, diagonal, V = polarization.diagonalize(matrix)
    assert (U @ matrix @ V == diagonal).all()
    assert diagonal[0, 1] == diagonal[1, 0] == 0
    assert abs(round(np.linalg.det(U))) == abs(round(np.linalg.det(V))) == 1


@pytest.mark.parametrize("name", ["AA_twist-1-2", "AA_twist-3-4", "AA_mismatch-9-10"])
def test_field_passes_through_random_dipoles(name):
    rng = np.random.default_rng(1)
    atoms = build(name, A, D)
    cell = atoms.cell.array[:2, :2]
    for layer, lattice in enumerate(atoms.lattices):
        chosen = (atoms.is_site) & (atoms.layer == layer)
        sites = atoms.positions[chosen, :2]
        values = rng.normal(size=(len(sites), 3))
        k, C = polarization.Sites(sites, lattice, cell).waves(values)
        waves = np.exp(2j * np.pi * (sites @ np.linalg.inv(cell)) @ k.T)
        assert np.allclose(waves @ C, values, atol=1e-10)


@pytest.mark.parametrize("name", ["AA_twist-3-4", "AA_mismatch-19-20", "AA_mismatch-21-20"])
def test_smooth_fields_come_back(name):
    atoms, n = stacked(name), 30
    fields = polarization.layer_fields(atoms, n)
    u = np.stack(np.meshgrid(np.arange(n) / n, np.arange(n) / n, indexing="ij"), axis=-1)
    phase = 2 * np.pi * atoms.stacking_at(u @ atoms.cell.array[:2, :2]) @ STAR.T
    odd, even = np.sin(phase).sum(axis=-1), 3 + np.cos(phase).sum(axis=-1) / 2
    assert np.allclose(fields[1, 2], odd + even, atol=1e-9)
    assert np.allclose(fields[0, 2], odd - even, atol=1e-9)


def test_grid_evaluation_is_exact_on_coarse_grids():
    atoms = stacked("AA_twist-3-4")
    fine, coarse = (polarization.layer_fields(atoms, n) for n in (48, 6))
    assert np.allclose(fine[..., ::8, ::8], coarse, atol=1e-10)


def test_symmetries_survive_for_rough_dipoles():
    """Threefold-symmetric noise on the sites gives a field symmetric to round-off."""
    atoms, n = build("AA_twist-2-3", A, D), 24
    cell = atoms.cell.array[:2, :2]
    rng = np.random.default_rng(2)
    dipole = rng.normal(size=(len(atoms), 3))
    turned = np.zeros_like(dipole)
    threefold = layer_symmetries("AA")[1][0]
    for power in range(3):
        q = np.linalg.matrix_power(threefold, power)
        fraction = atoms.positions[:, :2] @ q[:2, :2].T @ np.linalg.inv(cell)
        home = atoms.positions[:, :2] @ np.linalg.inv(cell)
        away = np.abs((fraction[:, None] - home + 0.5) % 1 - 0.5).max(axis=-1)
        away[atoms.layer[:, None] != atoms.layer] = 1.0
        partner = away.argmin(axis=1)
        assert away.min(axis=1).max() < 1e-6
        turned[partner] += dipole @ q.T / 3
    atoms.set_array("dipole", turned)
    P = polarization.layer_fields(atoms, n)
    i, j = np.indices((n, n))
    # Rotation by 120 degrees: (u, v) -> (-u - v, u).
    image = P[:, :, (-i - j) % n, i]
    assert np.allclose(image, np.einsum("ab,lbij->laij", threefold, P), atol=1e-12)
    assert np.abs(P[:, :2, 0, 0]).max() < 1e-12


def test_resampling_is_exact_both_ways():
    P = polarization.layer_fields(stacked("AA_twist-3-4"), 36).sum(axis=0)
    fine = polarization.resample(P, 72)
    assert np.allclose(fine[:, ::2, ::2], P, atol=1e-12)
    assert np.allclose(polarization.resample(fine, 36), P, atol=1e-12)


def test_a_foreign_lattice_is_rejected():
    atoms = stacked("AA_twist-1-2")
    atoms.positions[0] += 0.1
    atoms.positions[-1] += 0.1
    with pytest.raises(ValueError, match="Bravais"):
        polarization.layer_fields(atoms, 12)


@pytest.mark.parametrize("family", ["AA", "AAp"])
@pytest.mark.parametrize("field", [0.0, 0.02])
def test_copies_are_the_transformed_structures(family, field):
    """All copies of the labelled slides fill the grid, and a copy of a copy is the original."""
    option = f"_field{field:+.3f}" if field else ""
    atoms = build(f"{family}_slide-1-3-10_strain+1.0{option}", A, D)
    rng = np.random.default_rng(3)
    dipole = rng.normal(size=(len(atoms), 3))
    dipole[atoms.symbols == "B"] = np.nan
    atoms.set_array("dipole", dipole)
    copies = symmetry_copies(atoms)
    names = {copy.name for copy in copies}
    expected = 6 if field or family == "AAp" else 12
    assert len(names) == expected
    for copy in copies:
        assert copy.system.field_V_per_A == field
        total = np.nansum(copy.arrays["dipole"], axis=0)
        assert np.isclose(np.linalg.norm(total[:2]), np.linalg.norm(np.nansum(dipole, 0)[:2]))
    assert any(copy.name == atoms.name for copy in copies)


def test_layer_swap_reverses_tau_and_the_out_of_plane_part():
    atoms = build("AA_slide-1-3-10", A, D)
    dipole = np.array([[np.nan] * 3, [0.1, 0.2, 0.3], [np.nan] * 3, [0.4, 0.5, -0.7]])
    order = np.lexsort((atoms.is_site, atoms.layer))
    values = np.empty_like(dipole)
    values[order] = dipole
    atoms.set_array("dipole", values)
    copy = next(c for c in symmetry_copies(atoms) if c.name == "AA_slide-9-7-10")
    upper = (copy.is_site) & (copy.layer == 1)
    assert np.allclose(copy.arrays["dipole"][upper], [0.1, 0.2, -0.3])


class TestConfiguration:
    """Maps of the configuration space from labels of distinct slides."""

    N = 4

    @pytest.fixture
    def labels(self, tmp_path):
        return self.write(tmp_path / "labels.nc", distinct_slides(self.N, "AA"))

    def write(self, path, slides):
        frames = [stacked(f"AA_slide-{i}-{j}-{self.N}") for i, j in slides]
        write_netcdf(to_dataset(frames), path)
        return path

    def test_labels_stand_at_their_nodes(self, labels, tmp_path):
        map_configuration(labels, tmp_path / "map.nc", "AA", self.N, 24)
        ds = read_netcdf(tmp_path / "map.nc")
        step = 24 // self.N
        at_slides = ds["P_layer"].values[:, :, ::step, ::step]
        labelled = ds["slide_dipole"].transpose("layer", "component", ...).values
        assert np.allclose(at_slides, labelled, atol=1e-12)
        for i, j in np.ndindex(self.N, self.N):
            frame = stacked(f"AA_slide-{i}-{j}-{self.N}")
            total = np.nansum(frame.arrays["dipole"], axis=0)
            assert np.allclose(ds["P"].values[:, i * step, j * step], total, atol=1e-12)

    def test_the_error_is_the_noise_of_the_labels(self, labels, tmp_path):
        """It is measured by the symmetry of the labels."""
        frames = read_frames(labels)
        map_configuration(labels, tmp_path / "exact.nc", "AA", self.N, 24)
        assert "P_error" not in read_netcdf(tmp_path / "exact.nc")
        for frame in frames:
            frame.info["symmetry_residual_eA"] = 2e-6
        write_netcdf(to_dataset(frames), labels)
        map_configuration(labels, tmp_path / "noisy.nc", "AA", self.N, 24)
        at_slides = read_netcdf(tmp_path / "noisy.nc")["P_error"].values[:, :: 24 // self.N]
        expected = np.sqrt(2) * 2e-6  # of the sum of two layers
        assert at_slides[..., :: 24 // self.N].mean() == pytest.approx(expected, rel=0.15)

    def test_a_missing_slide_is_named(self, tmp_path):
        path = self.write(tmp_path / "labels.nc", distinct_slides(self.N, "AA")[1:])
        with pytest.raises(JobError, match=r"\(0, 0\) / 4"):
            map_configuration(path, tmp_path / "map.nc", "AA", self.N, 24)

    def test_a_moire_map_has_the_stackings_of_its_points(self, labels, tmp_path):
        map_configuration(labels, tmp_path / "slides.nc", "AA", self.N, 24)
        moire = stamp(polarization.map_of_bilayer(stacked("AA_mismatch-9-10"), 24), "moire")
        write_netcdf(moire, tmp_path / "moire.nc")
        values = []
        for name in ("slides", "moire"):
            ds = read_netcdf(tmp_path / f"{name}.nc")
            place = np.array(list(point_fractions(ds).values())) * 24
            i, j = np.rint(place).astype(int).T % 24
            values.append(ds["P"].values[:, i, j])
        assert np.abs(values[0][2]).max() > 1
        assert np.allclose(*values, atol=1e-9)


def test_charge_carries_the_error_of_grid_and_members(tmp_path):
    frame = stacked("AA_mismatch-9-10")
    dipole = frame.arrays["dipole"]
    # One member whose uniform offset makes the half charges whole, one that turns them round.
    offset = np.array([0, 0, 0.1])
    members = np.stack([dipole + offset, dipole - offset], axis=1)
    frame.set_array("dipole_member", members)
    write_netcdf(stamp(polarization.map_of_bilayer(frame, 60), "map"), tmp_path / "map.nc")
    compute_charge(tmp_path / "map.nc", tmp_path / "charge.nc", [60, 120], 1e-6)
    ds = read_netcdf(tmp_path / "charge.nc")
    sign = ds["Q_model_error"].sel(scheme="sign_rule", region=["N", "M"])
    assert np.allclose(sign, np.sqrt(1 / 2))  # two values one apart
    moved = ds["Q"].sel(grid=120) - ds["Q"].sel(grid=60)
    assert np.allclose(ds["Q_grid_error"], np.abs(moved))


def test_a_map_without_the_long_range():
    frame = stacked("AA_twist-3-4")
    whole = polarization.map_of_bilayer(frame, 24)
    assert polarization.without_long_range(whole) is None
    frame.set_array("dipole_short_range", 2 * frame.arrays["dipole"])
    ds = polarization.map_of_bilayer(frame, 24)
    ds["P_error"] = ds["P"].dims, np.ones(ds["P"].shape)
    short = polarization.without_long_range(ds)
    assert short["P"].values == pytest.approx(2 * whole["P"].values)
    assert short["P_layer"].values == pytest.approx(2 * whole["P_layer"].values)
    assert "P_error" not in short
    assert short.attrs["not_included"] == "the long-range electrostatics"
    assert ds["P"].values == pytest.approx(whole["P"].values)
