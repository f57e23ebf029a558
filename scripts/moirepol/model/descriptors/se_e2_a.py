"""The deep-Wannier network in numpy: deepmd-kit's `se_e2_a` descriptor and `dipole` fitting net.

For every atom i of one type (N), let j be a neighbour of type t within the cut-off, at the relative
position (x_j, y_j, z_j) and the distance r_j. Its environment row is R_j = s_j (1, x_j/r_j,
y_j/r_j, z_j/r_j) with s_j = w(r_j) / r_j. The network is

    g = sum_t sum_j G_t(s_j) R_j / n_sel          (width, 4)
    D = g g[:axis]^T                              (width, axis), invariant
    p_i = F(D) g[:, 1:]                           (3), equivariant under every rotation and mirror

(Zhang et al., Phys. Rev. B 102, 041121 (2020); Wang et al., Comput. Phys. Commun. 228, 178 (2018)).
This module adds two functions to those of deepmd-kit. It computes the Jacobian of the dipoles with
respect to every weight, for second-order training. It evaluates chosen atoms alone, block by block,
so that large cells need little time and memory. Model files have the format of deepmd-kit.
"""

from typing import Any

import numpy as np

from moirepol.model.neighbours import Environments


def descriptor_section(protocol: dict[str, Any], sel: list[int], seed: int) -> dict[str, Any]:
    """Return the section `descriptor` of deepmd-kit's input.

    Parameters
    ----------
    protocol
        Settings of the training.
    sel
        Largest number of neighbours of each type.
    seed
        Seed of the random weights.

    Returns
    -------
    dict
        The section.
    """
    return {
        "type": "se_e2_a",
        "rcut": protocol["rcut_A"],
        "rcut_smth": protocol["rcut_smooth_A"],
        "sel": sel,
        "neuron": list(protocol["descriptor_neurons"]),
        "axis_neuron": protocol["axis_neurons"],
        "type_one_side": True,
        "set_davg_zero": True,
        "precision": "float64",
        "seed": seed,
    }


class Network:
    """One deepmd-kit dipole model for one type of atoms.

    The model has the descriptor `se_e2_a` with one-sided types, tanh activations and no time step.

    Parameters
    ----------
    model
        Serialized model of deepmd-kit, a nested dictionary. Assignments to `weights` and
        `set_statistics` change it in place.
    centre_type
        Index of the type that carries dipoles.
    """

    def __init__(self, model: dict, centre_type: int):
        descriptor, fitting = model["descriptor"], model["fitting"]
        self.model = model
        self.symbols = tuple(model["type_map"])
        self.cutoff, self.smooth = descriptor["rcut"], descriptor["rcut_smth"]
        self.axis = descriptor["axis_neuron"]
        self.capacity = sum(descriptor["sel"])
        self.centre_type = centre_type
        embeddings = descriptor["embeddings"]["networks"]
        self._embedding = [[layer["@variables"] for layer in net["layers"]] for net in embeddings]
        nets = fitting["nets"]["networks"]
        self._fitting = [layer["@variables"] for layer in nets[centre_type]["layers"]]
        self._stat = descriptor["@variables"]

    @property
    def arrays(self) -> list[np.ndarray]:
        """Every weight and bias, in the order of `weights`."""
        layers = [layer for net in self._embedding for layer in net] + self._fitting
        return [layer[key] for layer in layers for key in ("w", "b")]

    @property
    def weights(self) -> np.ndarray:
        """All trainable numbers as one vector (weights,)."""
        return np.concatenate([a.ravel() for a in self.arrays])

    @weights.setter
    def weights(self, vector: np.ndarray) -> None:
        start = 0
        for array in self.arrays:
            array[...] = vector[start : start + array.size].reshape(array.shape)
            start += array.size

    def rows(self, environment: Environments, normalize: bool = True) -> list[np.ndarray]:
        """Return the environment rows s (1, x/r, y/r, z/r) for each type.

        Parameters
        ----------
        environment
            Environments of n atoms.
        normalize
            Whether to divide the rows by the widths of `set_statistics`.

        Returns
        -------
        list of ndarray
            For each type an array (n, K, 4), zero for padding.
        """
        rows = environment.rows(self.smooth, self.cutoff)
        if not normalize:
            return rows
        return [row / self._stat["dstd"][self.centre_type, 0] for row in rows]

    def set_statistics(self, environment: Environments, gain: float) -> None:
        """Scale the rows to the width `gain` over all neighbours, without a shift.

        Parameters
        ----------
        environment
            Environments of the training frames.
        gain
            Width of the scaled rows: the standard deviation of the radial entry and the root mean
            square of the angular entries. Larger values increase the variance of the initial
            network output.
        """
        rows = np.concatenate([r.reshape(-1, 4) for r in self.rows(environment, normalize=False)])
        rows = rows[rows[:, 0] > 0]
        radial, angular = rows[:, 0].std(), np.sqrt((rows[:, 1:] ** 2).mean())
        self._stat["davg"][...] = 0.0
        self._stat["dstd"][...] = np.array([radial, angular, angular, angular]) / gain

    def _describe(self, rows):
        hidden = [_embed(net, row[..., :1]) for net, row in zip(self._embedding, rows, strict=True)]
        pairs = zip(hidden, rows, strict=True)
        g = sum(np.matmul(h[-1].swapaxes(-1, -2), row) for h, row in pairs) / self.capacity
        return hidden, g, np.matmul(g, g[:, : self.axis].swapaxes(-1, -2))

    def invariants(self, environment: Environments) -> np.ndarray:
        """Return the descriptor D, which rotations and mirrors do not change.

        Parameters
        ----------
        environment
            Environments of n atoms.

        Returns
        -------
        ndarray
            Descriptor (n, width * axis).
        """
        return self._describe(self.rows(environment))[2].reshape(len(environment), -1)

    def dipoles(self, environment: Environments) -> np.ndarray:
        """Evaluate the dipoles.

        Parameters
        ----------
        environment
            Environments of n atoms.

        Returns
        -------
        ndarray
            Dipoles (n, 3) in the units of the training labels.
        """
        _, g, d = self._describe(self.rows(environment))
        out = _fit(self._fitting, d.reshape(len(d), -1))[-1]
        return np.einsum("nm,nmc->nc", out, g[..., 1:])

    def jacobian(self, environment: Environments) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate the dipoles and their derivatives by back-propagation.

        Parameters
        ----------
        environment
            Environments of n atoms.

        Returns
        -------
        dipole : ndarray
            Dipoles (n, 3) in the units of the training labels.
        jacobian : ndarray
            Derivatives (n, 3, weights) with respect to `weights`.
        """
        rows = self.rows(environment)
        n = len(environment)
        hidden, g, d = self._describe(rows)
        axis = g[:, : self.axis]
        states = _fit(self._fitting, d.reshape(n, -1))
        dipole = np.einsum("nm,nmc->nc", states[-1], g[..., 1:])

        gradients: list[np.ndarray] = []
        delta = np.ascontiguousarray(g[..., 1:].swapaxes(1, 2))  # (n, 3, width)
        for k in reversed(range(len(self._fitting))):
            layer, x = self._fitting[k], states[k]
            back = delta
            if k < len(self._fitting) - 1:
                skip = x.shape[-1] == states[k + 1].shape[-1]
                tanh = states[k + 1] - x if skip else states[k + 1]
                delta = delta * (1 - tanh**2)[:, None]
            gradients[:0] = [
                (x[:, None, :, None] * delta[:, :, None, :]).reshape(n, 3, -1),
                delta,
            ]
            delta = delta @ layer["w"].T + (
                back if 0 < k < len(self._fitting) - 1 and skip else 0.0
            )
        delta = delta.reshape(n, 3, *d.shape[1:])
        slope = np.matmul(delta, axis[:, None])  # (n, 3, width, 4)
        slope[:, :, : self.axis] += np.matmul(delta.swapaxes(-1, -2), g[:, None])
        for c in range(3):
            slope[:, c, :, 1 + c] += states[-1]
        slope /= self.capacity

        embedding = []
        for net, row, h in zip(self._embedding, rows, hidden, strict=True):
            delta = np.matmul(row[:, None], slope.swapaxes(-1, -2))  # (n, 3, K, width)
            own: list[np.ndarray] = []
            for k in reversed(range(len(net))):
                x, width = h[k], h[k].shape[-1]
                skip = (
                    h[k + 1].shape[-1] // width if h[k + 1].shape[-1] in (width, 2 * width) else 0
                )
                tanh = h[k + 1] - np.tile(x, skip) if skip else h[k + 1]
                back = delta
                delta = delta * (1 - tanh**2)[:, None]
                own[:0] = [
                    np.matmul(x[:, None].swapaxes(-1, -2), delta).reshape(n, 3, -1),
                    delta.sum(axis=2),
                ]
                if k:
                    delta = delta @ net[k]["w"].T
                    if skip:
                        delta += back.reshape(*back.shape[:-1], skip, width).sum(axis=-2)
            embedding += own
        return dipole, np.concatenate(embedding + gradients, axis=-1)


def _embed(net, s):
    """Layer values of an embedding net, input first; the input is added where widths allow."""
    states = [s]
    for layer in net:
        x = states[-1]
        y = np.tanh(x @ layer["w"] + layer["b"])
        if y.shape[-1] in (x.shape[-1], 2 * x.shape[-1]):
            y += np.tile(x, y.shape[-1] // x.shape[-1])
        states.append(y)
    return states


def _fit(net, x):
    """Layer values of the fitting net, input first; the last layer is linear."""
    states = [x]
    for k, layer in enumerate(net):
        x = states[-1]
        y = x @ layer["w"] + layer["b"]
        if k < len(net) - 1:
            y = np.tanh(y)
            if k and y.shape == x.shape:
                y += x
        states.append(y)
    return states
