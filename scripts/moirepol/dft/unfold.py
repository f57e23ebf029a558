"""Time reversal: complete an scf on half of the k points or plane waves to the full set.

Without spin-orbit coupling or a magnetic field (an electric field is harmless) the Bloch functions
of k and -k are complex conjugates: c(-k, -G) = conj(c(k, G)). pw.x therefore needs one of each
pair. The Wannier functions need both. `time_reversal_half` gives the k list of pw.x, and
`unfold_time_reversal` completes the save folder of pw.x.

At Gamma alone the functions can be chosen real, c(-G) = conj(c(G)), and pw.x (`K_POINTS gamma`)
computes and stores half of the plane waves. From such a folder, pw2wannier90.x 6.7 computes wrong
overlaps of ultrasoft functions. `unfold_gamma` turns it into the folder of a complex calculation.
"""

import os
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.io import FortranFile

from moirepol.errors import JobError

TOLERANCE = 1e-6  # of a k point, in crystal units and in 1/bohr
NAMESPACES = {
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "qes": "http://www.quantum-espresso.org/ns/qes/qes-1.0",
}
WFC_HEADER = np.dtype(
    [
        ("ik", "<i4"),
        ("k", "<f8", 3),
        ("spin", "<i4"),
        ("gamma_only", "<i4"),
        ("scale", "<f8"),
    ]
)


def time_reversal_half(kpoints_full: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one k point of each pair k, -k, and its weight.

    Parameters
    ----------
    kpoints_full
        Mesh (nk, 3) in crystal units, closed under k -> -k modulo reciprocal vectors.

    Returns
    -------
    kpoints : ndarray
        The first point (nhalf, 3) of each pair, in the given order.
    weights : ndarray
        Weights (nhalf,): 1 if k and -k are the same point, otherwise 2.

    Raises
    ------
    JobError
        If the mesh is not closed under k -> -k.
    """
    kpoints_full = np.asarray(kpoints_full, dtype=float)
    partner = [_match(-k, kpoints_full) for k in kpoints_full]
    if None in partner:
        raise JobError("the k mesh is not closed under time reversal")
    own = np.arange(len(kpoints_full))
    first = own <= np.array(partner)
    return kpoints_full[first], np.where(own == partner, 1, 2)[first]


def unfold_time_reversal(save_dir: str | Path, kpoints_full: np.ndarray) -> None:
    """Rewrite a Quantum ESPRESSO save folder in place, so that it contains the full k mesh.

    The time reversal is u_{-k}(G) = conj(u_k(-G)). A test compares the result with an scf on the
    full mesh. The plane waves of every k point follow the order of those of the density, as all
    programs of the suite require. A folder that is already full does not change.

    Parameters
    ----------
    save_dir
        `<prefix>.save` of a pw.x 6.7 scf on at least one of each pair k, -k: norm-conserving or
        ultrasoft, spin-unpolarized, complex wavefunctions, no HDF5.
    kpoints_full
        k points (nk, 3) in crystal units, in the order of Wannier90.

    Raises
    ------
    JobError
        If the folder is of another kind. It does not change then.
    """
    save_dir = Path(save_dir)
    kpoints_full = np.asarray(kpoints_full, dtype=float)
    xml = _read_schema(save_dir / "data-file-schema.xml")
    cutoff = 2 * float(xml.find("output/basis_set/ecutwfc").text)  # Ry
    miller, reciprocal = _read_density_basis(save_dir / "charge-density.dat")
    bands = xml.find("output/band_structure")
    blocks = bands.findall("ks_energies")
    reciprocal_alat = np.array(
        [_floats(xml.find(f"output/basis_set/reciprocal_lattice/b{i}")) for i in (1, 2, 3)]
    )
    kpoints = np.array([_floats(b.find("k_point")) for b in blocks]) @ np.linalg.inv(
        reciprocal_alat
    )

    sources = [_source(k, kpoints) for k in kpoints_full]
    if missing := [k for k, source in zip(kpoints_full, sources) if source is None]:
        raise JobError(
            f"{save_dir}: neither k nor -k was computed for {len(missing)} of {len(kpoints_full)} "
            f"k points, the first {missing[0]}"
        )

    position = _positions(miller)
    with TemporaryDirectory(dir=save_dir) as new_dir:
        for number, (k, (source, sign)) in enumerate(zip(kpoints_full, sources), start=1):
            wave = _read_wavefunctions(save_dir / f"wfc{source + 1}.dat")
            if not np.allclose(wave["k"], kpoints[source] @ reciprocal, atol=TOLERANCE):
                raise JobError(f"{save_dir}: wfc{source + 1}.dat is not k {source + 1}")
            shift = np.rint(k - sign * kpoints[source]).astype(int)
            target = sign * wave["miller"] - shift
            place = position(target)
            order = np.argsort(place)
            sphere = np.flatnonzero(np.sum(((miller + k) @ reciprocal) ** 2, axis=1) <= cutoff)
            if not np.array_equal(place[order], sphere):
                raise JobError(
                    f"{save_dir}: the plane waves of wfc{source + 1}.dat are not those within the "
                    f"cut-off at k = {k}"
                )
            coefficients = wave["coefficients"][:, order]
            wave.update(
                ik=number,
                k=k @ reciprocal,
                miller=target[order],
                largest=sphere[-1] + 1,
                coefficients=coefficients if sign > 0 else coefficients.conj(),
            )
            _write_wavefunctions(Path(new_dir) / f"wfc{number}.dat", wave)

        _set_kpoints(xml, kpoints_full @ reciprocal_alat, [blocks[s] for s, _ in sources])
        _write_schema(xml, Path(new_dir) / "data-file-schema.xml")
        _put_in_place(new_dir, save_dir)


def unfold_gamma(save_dir: str | Path) -> None:
    """Rewrite in place the save folder of a `K_POINTS gamma` scf as that of one complex k point.

    For real functions, c(-G) = conj(c(G)). A test compares the result with the complex scf. The
    plane waves of the density get the order of pw.x: by length, and by Miller indices if the
    lengths agree to 1e-8. Those of the wavefunctions follow it.

    Parameters
    ----------
    save_dir
        `<prefix>.save` of pw.x 6.7, of a kind that `unfold_time_reversal` accepts. A folder that is
        already complex does not change.

    Raises
    ------
    JobError
        If the folder is of another kind.
    """
    save_dir = Path(save_dir)
    try:
        xml = _read_schema(save_dir / "data-file-schema.xml", gamma_only="true")
    except JobError:
        _read_schema(save_dir / "data-file-schema.xml")
        return
    with _open_records(save_dir / "charge-density.dat") as records:
        sizes = records.read_record("<i4")
        reciprocal = records.read_record("<f8").reshape(3, 3)
        half = records.read_record("<i4").reshape(-1, 3)
        densities = np.array([records.read_record("<c16") for _ in range(sizes[2])])
    alat = float(xml.find("output/atomic_structure").get("alat"))
    lengths = np.sum((half @ reciprocal * alat / (2 * np.pi)) ** 2, axis=1)
    miller, order = _whole_sphere(half, lengths)
    with TemporaryDirectory(dir=save_dir) as new_dir:
        with FortranFile(Path(new_dir) / "charge-density.dat", "w") as records:
            records.write_record(np.array([0, len(miller), sizes[2]], "<i4"))
            records.write_record(reciprocal)
            records.write_record(miller.astype("<i4"))
            for density in densities:
                records.write_record(_with_conjugates(density, half)[order])
        wave = _read_wavefunctions(save_dir / "wfc1.dat", gamma_only=True)
        both = np.concatenate([wave["miller"], -wave["miller"][wave["miller"].any(axis=1)]])
        place = _positions(miller)(both)
        order = np.argsort(place)
        wave["coefficients"] = _with_conjugates(wave["coefficients"], wave["miller"])[:, order]
        wave.update(miller=both[order], largest=place.max() + 1)
        _write_wavefunctions(Path(new_dir) / "wfc1.dat", wave)
        for flag in xml.iter("gamma_only"):
            flag.text = "false"
        for count in ("ngm", "ngms", "npwx", "npw"):
            for element in xml.find("output").iter(count):
                element.text = str(2 * int(element.text) - 1)
        _write_schema(xml, Path(new_dir) / "data-file-schema.xml")
        _put_in_place(new_dir, save_dir)


def _whole_sphere(half, lengths):
    """Return the Miller indices of +G and -G in the order of pw.x, and their places in [+G, -G]."""
    both = np.concatenate([half, -half[half.any(axis=1)]])
    lengths = np.concatenate([lengths, lengths[half.any(axis=1)]])
    by_length = np.argsort(lengths, kind="stable")
    shell = np.empty(len(both), dtype=int)
    shell[by_length] = np.concatenate([[0], np.cumsum(np.diff(lengths[by_length]) > 1e-8)])
    order = np.lexsort((both[:, 2], both[:, 1], both[:, 0], shell))
    return both[order], order


def _with_conjugates(values, miller):
    """Append the values of the opposite plane waves, except that of 0, to values (..., n)."""
    return np.concatenate([values, values[..., miller.any(axis=1)].conj()], axis=-1)


def _write_schema(xml, path):
    for prefix, uri in NAMESPACES.items():
        ET.register_namespace(prefix, uri)
    ET.ElementTree(xml).write(path, encoding="UTF-8", xml_declaration=True)


def _put_in_place(new_dir, save_dir):
    """Replace the old files, the k list last. A partly replaced folder is then rejected."""
    for file in sorted(Path(new_dir).iterdir(), key=lambda file: file.suffix == ".xml"):
        os.replace(file, save_dir / file.name)


def _match(k, kpoints):
    """Return the index of the first point equal to k modulo reciprocal vectors, or None."""
    difference = kpoints - k
    hit = np.all(np.abs(difference - np.rint(difference)) < TOLERANCE, axis=1)
    return int(np.argmax(hit)) if hit.any() else None


def _source(k, kpoints):
    """Return the index of the computed point +k or -k and the sign, or None."""
    for sign in (1, -1):
        if (index := _match(sign * k, kpoints)) is not None:
            return index, sign
    return None


def _floats(element):
    return np.array(element.text.split(), dtype=float)


def _read_schema(path, gamma_only="false"):
    """Return the root of the XML file, after checks of its kind."""
    try:
        xml = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise JobError(f"{path}: unreadable ({error})") from None
    required = {
        "output/basis_set/gamma_only": gamma_only,
        "output/band_structure/lsda": "false",
        "output/band_structure/noncolin": "false",
        "output/band_structure/wf_collected": "true",
        "status": "0",
    }
    for name, value in required.items():
        found = xml.findtext(name, default="nothing").strip()
        if found != value:
            raise JobError(f"{path}: {name} is {found}, not {value}")
    blocks = xml.findall("output/band_structure/ks_energies")
    if not blocks or len(blocks) != int(xml.findtext("output/band_structure/nks", "0")):
        raise JobError(f"{path}: the k points do not match their number")
    return xml


@contextmanager
def _open_records(path):
    """Open a FortranFile for reading. Every failure becomes a JobError that names the file."""
    try:
        with FortranFile(path) as records:
            yield records
    except (OSError, ValueError, TypeError, EOFError) as error:
        message = str(error).splitlines()[0]
        raise JobError(f"{path}: not a Fortran binary of pw.x 6.7 ({message})") from None


def _read_density_basis(path):
    """Return the Miller indices (ng, 3) of the density, and b1, b2, b3 as rows in 1/bohr."""
    with _open_records(path) as records:
        _, count, _ = records.read_record("<i4")
        reciprocal = records.read_record("<f8").reshape(3, 3)
        miller = records.read_record("<i4").reshape(-1, 3)
    if len(miller) != count:
        raise JobError(f"{path}: {len(miller)} plane waves, not {count}")
    return miller, reciprocal


def _positions(miller):
    """Return a function: Miller indices (n, 3) -> places (n,) in `miller`, -1 if absent."""
    low, high = miller.min(axis=0), miller.max(axis=0)
    table = np.full(high - low + 1, -1)
    table[tuple((miller - low).T)] = np.arange(len(miller))

    def position(wanted):
        inside = np.all((wanted >= low) & (wanted <= high), axis=1)
        place = np.full(len(wanted), -1)
        place[inside] = table[tuple((wanted[inside] - low).T)]
        return place

    return position


def _read_wavefunctions(path, gamma_only=False):
    """Yield the records of a wfc file; coefficients (nbnd, npw), miller (npw, 3), k in 1/bohr."""
    with _open_records(path) as records:
        header = records.read_record(WFC_HEADER)[0]
        largest, waves, spinors, bands = records.read_record("<i4")
        reciprocal = records.read_record("<f8")
        miller = records.read_record("<i4").reshape(-1, 3)
        if bool(header["gamma_only"]) != gamma_only or spinors != 1 or len(miller) != waves:
            kind = "real" if gamma_only else "complex"
            raise JobError(f"{path}: not a file of {kind} one-component wavefunctions")
        coefficients = np.array([records.read_record("<c16") for _ in range(bands)])
    return {
        "ik": header["ik"],
        "k": header["k"],
        "scale": header["scale"],
        "largest": largest,
        "reciprocal": reciprocal,
        "miller": miller,
        "coefficients": coefficients,
    }


def _write_wavefunctions(path, wave):
    bands, waves = wave["coefficients"].shape
    header = np.array([(wave["ik"], wave["k"], 1, 0, wave["scale"])], dtype=WFC_HEADER)
    with FortranFile(path, "w") as records:
        records.write_record(header)
        records.write_record(np.array([wave["largest"], waves, 1, bands], dtype="<i4"))
        records.write_record(wave["reciprocal"])
        records.write_record(wave["miller"].astype("<i4"))
        for coefficients in wave["coefficients"]:
            records.write_record(coefficients)


def _set_kpoints(xml, kpoints_alat, blocks):
    """Replace the k lists of the XML tree: uniform weights, bands copied from `blocks`."""

    def set_point(element, k, weight):
        element.set("weight", f"{weight:.12e}")
        element.text = " ".join(f"{x:.15e}" for x in k)

    for listing in (*xml.iter("k_points_IBZ"), *xml.iter("starting_k_points")):
        for element in list(listing):
            listing.remove(element)
        ET.SubElement(listing, "nk").text = str(len(kpoints_alat))
        for k in kpoints_alat:
            set_point(ET.SubElement(listing, "k_point"), k, 1.0)

    bands = xml.find("output/band_structure")
    bands.find("nks").text = str(len(kpoints_alat))
    for block in bands.findall("ks_energies"):
        bands.remove(block)
    for k, source in zip(kpoints_alat, blocks):
        block = ET.fromstring(ET.tostring(source))
        set_point(block.find("k_point"), k, 2 / len(kpoints_alat))
        bands.append(block)
