"""Trained members of a committee: their files, their export, and their evaluation.

A model is a committee of members. The members differ in their random start and in their training
frames. Each member is one file in deepmd-kit's native format (.dp).
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from moirepol.errors import JobError, full_disk
from moirepol.model.descriptors import network_of
from moirepol.model.local_stacking import LocalStackingNeighbours
from moirepol.model.neighbours import Neighbours
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.material import load_material
from moirepol.structure.names import material_of

#: deepmd-kit's loss: the mean square error of the dipole of every site, Eq. (2) of the paper.
LOSS = {"type": "tensor", "pref": 0.0, "pref_atomic": 1.0}
BLOCK = 256  # sites evaluated at a time


@dataclass
class Member:
    """One trained model of a committee.

    Attributes
    ----------
    network
        The network.
    info
        Family, kind, field_V_per_A, scale of the labels and further settings of the training.
    names
        Names (k,) of the training frames.
    """

    network: Any
    info: dict[str, Any]
    names: np.ndarray

    @property
    def family(self) -> str:
        """Stacking family of the training frames."""
        return self.info["family"]

    @property
    def kind(self) -> str:
        """What the member predicts, one of `moirepol.model.targets.KINDS`."""
        return self.info["kind"]

    @property
    def field_V_per_A(self) -> float:
        """Field of the labels that a response is trained on, in V/angstrom."""
        return self.info["field_V_per_A"]

    def has_seen(self, name: str) -> bool:
        """Return whether a frame is one of the training frames.

        Parameters
        ----------
        name
            Name of the frame.

        Returns
        -------
        bool
            True if the member was trained on the frame.
        """
        return name.encode() in self.names


def check_domain(bilayer: Bilayer, member: Member) -> None:
    """Check that a bilayer is of the kind that a member was trained on.

    Parameters
    ----------
    bilayer
        The bilayer.
    member
        The member.

    Raises
    ------
    JobError
        In one line, if its species, layers, heights, vacuum or family differ.
    """
    name = bilayer.name
    unknown = sorted(set(bilayer.get_chemical_symbols()) - set(member.network.symbols))
    if unknown:
        known = " and ".join(member.network.symbols)
        raise JobError(f"{name}: allowed are atoms of {known}, found is {unknown[0]}")
    flat = bilayer.is_flat or bilayer.is_deformed
    if any(len(bilayer.sites_of(layer)) == 0 for layer in (0, 1)) or not flat:
        raise JobError(f"{name}: allowed are two flat layers")
    vacuum = bilayer.cell.array[2, 2] - np.ptp(bilayer.positions[:, 2])
    if vacuum < member.network.cutoff:
        raise JobError(
            f"{name}: the cell is too thin, {vacuum:.2f} A between periodic images, "
            f"the model's cut-off is {member.network.cutoff:.2f} A"
        )
    if bilayer.family != member.family:
        raise JobError(
            f"{name}: of family {bilayer.family}, the model is trained on {member.family}"
        )


def save(data: dict, path: str | Path) -> None:
    """Write a model in deepmd-kit's own format (.dp), which every backend of deepmd-kit reads.

    Parameters
    ----------
    data
        Serialized model file.
    path
        File to write.
    """
    from deepmd.dpmodel.utils.serialization import save_dp_model

    save_dp_model(str(path), data)


def load(path: str | Path) -> Member:
    """Read one trained member.

    Parameters
    ----------
    path
        Model file (.dp).

    Returns
    -------
    Member
        The member.

    Raises
    ------
    JobError
        If the file is no dipole model of this workflow.
    """
    try:
        return member_of(read(path))
    except (OSError, KeyError, ValueError) as error:
        raise JobError(f"{path} is no dipole model of this workflow ({error})") from error


def read(path: str | Path) -> dict:
    """Read a model file.

    The result is that of `load_dp_model` of deepmd-kit, which takes long to import.

    Parameters
    ----------
    path
        Model file (.dp).

    Returns
    -------
    dict
        Serialized model file.
    """
    with h5py.File(path) as file:
        return _with_arrays(json.loads(file.attrs["json"]), file)


def _with_arrays(node: Any, file: h5py.File, named: bool = False) -> Any:
    """Put the arrays of a file in the place of their names, below every key "@variables"."""
    if isinstance(node, dict):
        return {
            key: _with_arrays(value, file, named or key == "@variables")
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_with_arrays(value, file, named) for value in node]
    return file[node][()] if named and node is not None else node


def member_of(data: dict) -> Member:
    """Make the member that a serialized model file contains.

    Parameters
    ----------
    data
        Serialized model file.

    Returns
    -------
    Member
        The member.
    """
    trained = json.loads(data["moirepol"])
    return Member(
        network_of(data["model"], _site_type(data["model"], trained["family"])),
        trained,
        data["@variables"]["known_names"],
    )


def freeze(path: str | Path, frozen: str | Path, compressed: str | Path) -> None:
    """Export a member for deepmd-kit's TensorFlow backend, plain and compressed (.pb).

    Parameters
    ----------
    path
        Model file (.dp).
    frozen
        Plain file to write.
    compressed
        Compressed file to write.

    Raises
    ------
    JobError
        If deepmd-kit's program fails.
    """
    from deepmd.entrypoints.convert_backend import convert_backend
    from deepmd.tf.env import tf

    convert_backend(INPUT=str(path), OUTPUT=str(frozen))
    # `dp compress` (3.2.0) wants a whole training input in the model, where `convert_backend`
    # leaves the section `model` alone. Nothing is learned.
    graph = tf.GraphDef.FromString(Path(frozen).read_bytes())
    node = next(node for node in graph.node if node.name == "train_attr/training_script")
    text = node.attr["value"].tensor.string_val
    section = {"learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-8}, "loss": LOSS}
    text[0] = json.dumps(json.loads(text[0]) | section).encode()
    Path(frozen).write_bytes(graph.SerializeToString())
    with TemporaryDirectory() as folder:
        files = str(Path(frozen).resolve()), str(Path(compressed).resolve())
        run_deepmd(["compress", "-i", files[0], "-o", files[1]], folder)


def committee(paths: Iterable[str | Path]) -> list[Member]:
    """Load the members of one model.

    Parameters
    ----------
    paths
        Model files (.dp) of the members.

    Returns
    -------
    list of Member
        The members, in the order of the files.

    Raises
    ------
    JobError
        If a file cannot be read or the members differ in kind, family, field or cut-off.
    """
    members = [load(path) for path in paths]
    for key in ("family", "kind", "field_V_per_A"):
        if len({member.info[key] for member in members}) > 1:
            raise JobError(f"the members of a committee differ in {key}")
    if len({member.network.cutoff for member in members}) > 1:
        raise JobError("the members of a committee differ in their cut-off")
    return members


def evaluate(members: list[Member], bilayer: Bilayer, local_stackings: bool = False) -> np.ndarray:
    """Evaluate every member of a committee at the dipole sites of a bilayer.

    Parameters
    ----------
    members
        Members of one committee.
    bilayer
        Two flat layers.
    local_stackings
        Evaluate at the surroundings of the translated bilayer of each site's local stacking,
        `moirepol.model.local_stacking`, instead of the site's own.

    Returns
    -------
    ndarray
        Dipoles (member, m, 3) in e.angstrom.

    Raises
    ------
    JobError
        If the bilayer is outside the domain of a member.
    """
    for member in members:
        check_domain(bilayer, member)
    neighbours = LocalStackingNeighbours if local_stackings else Neighbours
    network = members[0].network
    around = neighbours(bilayer, network.symbols, network.cutoff)
    sites = bilayer.sites
    values = []
    for block in np.split(sites, range(BLOCK, len(sites), BLOCK)):
        environment = around.of(block)
        values.append([m.network.dipoles(environment) / m.info["scale"] for m in members])
    return np.concatenate(values, axis=1)


def standard_deviation(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation over members.

    Parameters
    ----------
    values
        Values (member, ...).

    Returns
    -------
    ndarray
        Standard deviation (...) with member - 1 degrees of freedom; NaN for a single member.
    """
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)


def run_deepmd(arguments: list[str], folder: str | Path) -> None:
    """Run deepmd-kit's program with TensorFlow; its output goes to the log of the job.

    Parameters
    ----------
    arguments
        Arguments of the program.
    folder
        Working directory.

    Raises
    ------
    JobError
        If the program fails.
    """
    print("+ dp --tf", *arguments, flush=True)
    if subprocess.run(deepmd_command(arguments), cwd=folder, check=False).returncode:
        raise JobError(f"{full_disk(folder)}dp {arguments[0]} failed: the log says why")


def deepmd_command(arguments: list[str]) -> list[str]:
    """Return the command line of deepmd-kit's program.

    Parameters
    ----------
    arguments
        Arguments of the program.

    Returns
    -------
    list of str
        The command line.
    """
    return [sys.executable, "-m", "deepmd", "--tf", *arguments]


def _site_type(model: dict[str, Any], family: str) -> int:
    """Index of the dipole site's species among the types of a serialized model."""
    species = load_material(material_of(family)).dipole_site.species
    return model["type_map"].index(species)
