"""Second-order training: damped Gauss-Newton steps with the Jacobian of every weight."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from moirepol.model.neighbours import Environments


def distinct(network: Any, environment: Environments) -> np.ndarray:
    """Return one atom of every set whose environments agree up to a rotation or a mirror.

    An equivariant model gives all atoms of such a set the same dipole, rotated or mirrored.

    Parameters
    ----------
    network
        Network that defines the descriptor.
    environment
        Environments of n atoms.

    Returns
    -------
    ndarray
        Sorted indices of the chosen atoms.
    """
    invariants = network.invariants(environment)
    rounded = np.round(invariants / np.abs(invariants).max(), 9)
    return np.sort(np.unique(rounded, axis=0, return_index=True)[1])


def fit(
    network: Any,
    environment: Environments,
    targets: np.ndarray,
    noise: float,
    iterations: int,
    report: Callable[[int, float], None] = lambda iteration, loss: None,
) -> None:
    """Find the most probable weights by damped Gauss-Newton steps.

    The steps start from the weights of the network. A penalty ties the result to them. The module
    docstring gives the formulae.

    Parameters
    ----------
    network
        Network with random weights. Its weights are changed in place.
    environment
        Environments of the n labelled atoms.
    targets
        Labels (n, 3), scaled.
    noise
        Standard deviation of the label noise, in the units of `targets`.
    iterations
        Largest number of steps.
    report
        Function that is called after each step with the number of the step and the root mean square
        residual in the units of `targets`.
    """
    start = network.weights
    y = targets.ravel()

    def objective(weights: np.ndarray):
        network.weights = weights
        residual = y - network.dipoles(environment).ravel()
        return residual @ residual / noise**2 + (weights - start) @ (weights - start), residual

    weights, damping, growth, idle = start, None, 2.0, 0
    value, residual = objective(weights)
    for iteration in range(1, iterations + 1):
        network.weights = weights
        jacobian = network.jacobian(environment)[1].reshape(y.size, -1)
        kernel = jacobian @ jacobian.T
        if damping is None:
            damping = 1e-2 * np.trace(kernel) / y.size / noise**2
        tied = weights - start
        moved = jacobian @ tied
        while True:
            a = 1 + damping
            shifted = kernel + a * noise**2 * np.eye(y.size)
            z = cho_solve(cho_factor(shifted, overwrite_a=True), residual + moved / a)
            step = jacobian.T @ z - tied / a
            linear = residual - jacobian @ step
            foreseen = value - (linear @ linear / noise**2 + (tied + step) @ (tied + step))
            trial, trial_residual = objective(weights + step)
            gain = (value - trial) / foreseen
            if gain > 0 or damping > 1e15:
                break
            damping *= growth
            growth *= 2
        if not gain > 0:
            break
        damping *= max(1 / 10, 1 - (2 * gain - 1) ** 3)
        growth = 2.0
        idle = idle + 1 if value - trial < 1e-3 * value else 0
        weights, value, residual = weights + step, trial, trial_residual
        report(iteration, float(np.sqrt(residual @ residual / y.size)))
        if idle == 10:
            break
    network.weights = weights
