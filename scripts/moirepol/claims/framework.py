"""Evaluate the paper's claims: registry, results, verdicts.

One evaluator per claim returns what was found, and whether the claim holds. The modules
`moirepol.claims.fig1` to `fig4` contain the evaluators and register them. An evaluator's docstring
is the column `how` of the table: it describes the method and gives reasons for the tolerance.

Each claim is evaluated for the mean of the committee, for each of its members, and for the mean on
a coarser grid. The standard deviation over the members and the difference between the grids are the
errors. A claim is undecided if a member gives another verdict than the mean. No computation reads
these results.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.names import System

VERDICTS = {True: "reproduced", False: "not reproduced", None: "undecided"}
#: Standard deviations below this are round-off.
ROUND_OFF = 1e-12

#: Text with places for numbers, the numbers, and whether the claim holds. None: the error is larger
#: than the tolerance of the claim.
Found = tuple[str, Iterable[float], bool | None]
#: The paper's own value of a claim: one number, or numbers by name.
Paper = float | Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """A registered claim.

    Parameters
    ----------
    evaluate
        Evaluator. Its arguments are the results and the paper's own value.
    figure
        The panels that show the claim.
    how
        Description of the method.
    needs_value
        Whether the evaluator compares with the paper's own value.
    """

    evaluate: Callable[["Results", Any], Found]
    figure: str
    how: str
    needs_value: bool = False


#: Every claim by its name, in the order of the table.
CLAIMS: dict[str, Claim] = {}


class NotYet(Exception):
    """A result that a claim needs is missing. The message names the result."""


@dataclass(frozen=True)
class Results:
    """Computed results.

    Parameters
    ----------
    maps, charges, dipoles, labels
        Results by name of the system. Labels are from first principles.
    parities
        Comparisons of models with labels; the attribute `model` is the name of the model.
    studies
        Comparisons of predictions with labels, by name of the study.
    predictors
        Names of the models that are used for prediction.
    committees
        Numbers of members of the maps, charges and dipoles that were read.
    """

    maps: dict[str, xr.Dataset] = field(default_factory=dict)
    charges: dict[str, xr.Dataset] = field(default_factory=dict)
    dipoles: dict[str, Bilayer] = field(default_factory=dict)
    labels: dict[str, Bilayer] = field(default_factory=dict)
    parities: list[xr.Dataset] = field(default_factory=list)
    studies: dict[str, xr.Dataset] = field(default_factory=dict)
    predictors: tuple[str, ...] = ()
    committees: set[int] = field(default_factory=set)

    def map(self, system: str) -> xr.Dataset:
        """Return the polarization map of a system."""
        return self._read(_take(self.maps, system, "map"))

    def charge(self, system: str) -> xr.Dataset:
        """Return the topological charges of a system."""
        return self._read(_take(self.charges, system, "charge"))

    def frame(self, system: str) -> Bilayer:
        """Return the atoms of a system with predicted dipoles."""
        frame = _take(self.dipoles, system, "dipoles")
        self.committees.add(frame.arrays.get("dipole_member", np.empty((0, 0))).shape[1])
        return frame

    def label(self, system: str) -> Bilayer:
        """Return the atoms of a system with dipoles from first principles."""
        return _take(self.labels, system, "first-principles label")

    def _read(self, ds: xr.Dataset) -> xr.Dataset:
        self.committees.add(ds.sizes.get("member", 0))
        return ds

    @cached_property
    def by_member(self) -> list["Results"]:
        """The results of each member of the largest committee, where the files contain members.

        The members of smaller committees are used repeatedly.
        """
        largest = max((ds.sizes.get("member", 0) for ds in self.maps.values()), default=0)
        return [self._of_member(k) for k in range(largest)]

    def _of_member(self, member: int) -> "Results":
        return replace(
            self,
            maps={name: _of_member(ds, member, "P", "P_layer") for name, ds in self.maps.items()},
            charges={name: _of_member(ds, member, "Q") for name, ds in self.charges.items()},
            dipoles={name: _frame_of_member(f, member) for name, f in self.dipoles.items()},
        )

    @cached_property
    def on_coarser_grid(self) -> "Results":
        """The results with every second node of the maps, without the finest charges."""
        return replace(
            self,
            maps={name: _coarser(ds) for name, ds in self.maps.items()},
            charges={name: _coarser(ds) for name, ds in self.charges.items()},
        )

    def in_field(self, system: str, field_V_per_A: float) -> str:
        """Return the name of a system in a field; downward if maps of both directions exist."""
        plain = System.parse(system)
        names = [
            plain.model_copy(update={"field_V_per_A": sign * field_V_per_A}).name
            for sign in (-1, 1)
        ]
        return next((name for name in names if name in self.maps), names[0])

    def twists(self, family: str) -> list[tuple[float, xr.Dataset]]:
        """Return twist angles in degrees and maps of a family, the smallest angle first.

        Bilayers with strain, shift or field are not included.
        """
        found = []
        for name, ds in self.maps.items():
            if name.startswith(f"{family}_twist"):
                system = System.parse(name)
                if system == system.plain:
                    found.append((system.twist_angle_deg, self._read(ds)))
        if len(found) < 2:
            raise NotYet(f"needs maps of two or more twist angles of {family}")
        return sorted(found, key=lambda pair: pair[0])


def _take(found, name, kind):
    if name not in found:
        raise NotYet(f"needs the {kind} of {name}")
    return found[name]


def _coarser(ds):
    if ds.sizes.get("grid", 1) > 1:
        ds = ds.sel(grid=np.sort(ds["grid"].values)[:-1])
    return ds.isel(i=slice(None, None, 2), j=slice(None, None, 2))


def _of_member(ds, member, *names):
    members = ds.sizes.get("member", 0)
    if not members:
        return ds
    values = {
        name: ds[f"{name}_member"].isel(member=member % members, drop=True)
        for name in names
        if f"{name}_member" in ds
    }
    return ds.drop_vars([*values, *(f"{name}_member" for name in values)]).assign(values)


def _frame_of_member(frame, member):
    members = frame.arrays.get("dipole_member")
    if members is None or not members.shape[1]:
        return frame
    frame = frame.copy()
    frame.arrays["dipole"] = members[:, member % members.shape[1]]
    return frame


def claim(name: str, figure: str = "") -> Callable:
    """Register the evaluator of a claim that the paper states in words.

    Parameters
    ----------
    name
        The claim's `id` in resources/claims.yaml.
    figure
        The panels that show the claim.
    """

    def register(function: Callable[[Results], Found]) -> Callable[[Results], Found]:
        CLAIMS[name] = Claim(lambda results, paper: function(results), figure, _how(function))
        return function

    return register


def claim_of_value(name: str, figure: str = "") -> Callable:
    """Register the evaluator of a claim with a value. Its second argument is the paper's value.

    Parameters
    ----------
    name
        The claim's `id` in resources/claims.yaml, with a `paper` value.
    figure
        The panels that show the claim.
    """

    def register(function: Callable[[Results, Any], Found]) -> Callable[[Results, Any], Found]:
        CLAIMS[name] = Claim(function, figure, _how(function), needs_value=True)
        return function

    return register


def _how(function: Callable) -> str:
    return " ".join((function.__doc__ or "").split())


def evaluate(name: str, results: Results, paper: Paper | None = None) -> dict[str, str]:
    """Evaluate one claim.

    Parameters
    ----------
    name
        Name of the claim.
    results
        Computed results.
    paper
        The paper's own value, if it states one.

    Returns
    -------
    dict
        Columns ours, verdict, error, figure and how.

    Raises
    ------
    JobError
        If no claim has this name, or the claim needs the paper's value and there is none.
    """
    if name not in CLAIMS:
        raise JobError(f"claim {name!r}: allowed is one of {', '.join(CLAIMS)}")
    registered = CLAIMS[name]
    if registered.needs_value and paper is None:
        raise JobError(f"claim {name}: key 'paper' is missing, the claim compares with its value")
    row = {"figure": registered.figure, "how": registered.how}
    try:
        results.committees.clear()
        words, numbers, holds = registered.evaluate(results, paper)
        used = results.by_member[: max(results.committees, default=0)]
        members = [registered.evaluate(member, paper) for member in used]
        coarser = registered.evaluate(results.on_coarser_grid, paper)
    except NotYet as missing:
        return row | {
            "ours": "",
            "verdict": "not yet",
            "error": "",
            "how": f"{missing}. {row['how']}",
        }
    verdict = VERDICTS[holds]
    agreeing = sum(member_holds == holds for _, _, member_holds in members)
    if holds is None:
        row["how"] = f"The error is larger than the tolerance. {row['how']}"
    elif agreeing < len(members):
        share = f"{agreeing} of {len(members)} members agree"
        row["how"] = f"The mean of the committee gives: {verdict}; {share}. {row['how']}"
        verdict = "undecided"
    numbers = np.array([*numbers])
    errors = {"grid": np.abs(np.array([*coarser[1]]) - numbers)}
    if len(members) > 1:
        errors["model"] = np.std([[*values] for _, values, _ in members], axis=0, ddof=1)
    error = "; ".join(
        f"{source}: " + ", ".join(f"{value:.1e}" if value > ROUND_OFF else "0" for value in values)
        for source, values in errors.items()
        if (values > ROUND_OFF).any()
    )
    return row | {"ours": words.format(*numbers), "verdict": verdict, "error": error}


def evaluate_all(table: Iterable[dict], results: Results) -> list[dict[str, str]]:
    """Evaluate every claim of a table.

    Parameters
    ----------
    table
        Entries of resources/claims.yaml.
    results
        Computed results.

    Returns
    -------
    list of dict
        Rows with the columns id, claim, paper, ours, unit, verdict, error, figure and how.
    """
    rows = []
    for entry in table:
        paper = entry.get("paper")
        found = evaluate(entry["id"], results, paper)
        words = (
            ", ".join(f"{k} = {v}" for k, v in paper.items()) if isinstance(paper, dict) else paper
        )
        rows.append(
            {
                "id": entry["id"],
                "claim": entry["claim"],
                "paper": "" if words is None else str(words),
                "ours": found["ours"],
                "unit": entry.get("unit", ""),
                "verdict": found["verdict"],
                "error": found["error"],
                "figure": found["figure"],
                "how": found["how"],
            }
        )
    return rows
