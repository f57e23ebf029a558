"""Compare two folders of results, variable by variable."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from moirepol.errors import JobError

COLUMNS = ("file", "variable", "kind", "largest_difference", "largest_value", "unit")


def compare_results(before: str, after: str, table: str) -> None:
    """Write the largest difference of every variable of two folders of results.

    Parameters
    ----------
    before, after
        Folders with NetCDF and CSV files, such as ``results``. Files are matched by their path.
    table
        CSV to write: file, variable, kind (``number``, ``text`` or ``absent``), the largest
        difference, the largest value and its unit. For text the difference is the number of
        values that differ. ``absent`` names what only one folder contains.

    Raises
    ------
    JobError
        If one of the folders is absent, or if they have no file in common.
    """
    for folder in (before, after):
        if not Path(folder).is_dir():
            raise JobError(f"{folder} is no folder; allowed is a folder of results")
    rows = [row for path in _paths(before, after) for row in _compare_file(before, after, path)]
    if all(row["kind"] == "absent" for row in rows):
        raise JobError(f"{before} and {after} have no NetCDF and no CSV file in common")
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(*summarize(rows), sep="\n")


def summarize(rows: list[dict[str, str | float]]) -> list[str]:
    """Return lines for the console: the largest difference of each unit, and what is absent.

    Parameters
    ----------
    rows
        Rows of the table of `compare_results`.

    Returns
    -------
    list of str
        One line for every unit, for differing text, and for files of one folder only.
    """
    lines = []
    numbers = [row for row in rows if row["kind"] == "number"]
    for unit in sorted({str(row["unit"]) for row in numbers}):
        worst = max(
            (row for row in numbers if row["unit"] == unit),
            key=lambda row: float(row["largest_difference"]),
        )
        lines.append(
            f"{unit or 'no unit'}: {float(worst['largest_difference']):.3g} of "
            f"{float(worst['largest_value']):.3g}, {worst['variable']} in {worst['file']}"
        )
    for row in rows:
        if row["kind"] == "text" and row["largest_difference"]:
            lines.append(
                f"text: {row['variable']} in {row['file']}, {row['largest_difference']} differ"
            )
        elif row["kind"] == "absent":
            lines.append(f"only {row['variable']}: {row['file']}")
    return lines


def _paths(before: str, after: str) -> list[str]:
    found = {
        path.relative_to(folder).as_posix()
        for folder in (before, after)
        for ending in ("nc", "csv")
        for path in Path(folder).rglob(f"*.{ending}")
        if not path.is_symlink() and "scratch" not in path.parts
    }
    return sorted(found)


def _compare_file(before: str, after: str, path: str) -> Iterator[dict[str, str | float]]:
    files = Path(before, path), Path(after, path)
    for folder, file in zip((before, after), files, strict=True):
        if not file.is_file():
            other = after if folder == before else before
            yield _row(path, f"in {other}", "absent", math.nan, math.nan)
            return
    read = _read_netcdf if path.endswith(".nc") else _read_csv
    old, new = map(read, files)
    for name in sorted(set(old) | set(new)):
        if name not in old or name not in new:
            yield _row(path, f"{name} in {after if name in new else before}", "absent")
            continue
        (a, unit), (b, _) = old[name], new[name]
        if a.shape != b.shape:
            yield _row(path, name, "text", max(a.size, b.size), max(a.size, b.size), unit)
        elif a.dtype.kind in "fiub" and b.dtype.kind in "fiub":
            a, b = a.astype(float), b.astype(float)
            apart = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
            apart = np.where(np.isnan(apart), np.inf, apart)
            largest = np.nanmax(np.abs(a), initial=0.0, where=np.isfinite(a))
            yield _row(path, name, "number", apart.max(initial=0.0), largest, unit)
        else:
            yield _row(path, name, "text", int((a.astype(str) != b.astype(str)).sum()), a.size)


def _read_netcdf(path: Path) -> dict[str, tuple[np.ndarray, str]]:
    with xr.open_dataset(path, engine="netcdf4") as ds:
        return {
            str(name): (np.asarray(variable.values), str(variable.attrs.get("units", "")))
            for name, variable in ds.variables.items()
        }


def _read_csv(path: Path) -> dict[str, tuple[np.ndarray, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        try:
            columns[name] = np.array([float(value or "nan") for value in values]), ""
        except ValueError:
            columns[name] = np.array(values, dtype=object), ""
    return columns


def _row(file, variable, kind, difference=math.nan, largest=math.nan, unit=""):
    values = file, variable, kind, difference, largest, unit
    return dict(zip(COLUMNS, values, strict=True))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_results, globals().get("snakemake"))
