"""Collect the frames of one label set, shipped and computed, into one NetCDF file."""

from collections.abc import Mapping, Sequence
from typing import Any

from moirepol.workflow.label_files import collect_frames


def collect_labels(
    frames: Sequence[str],
    settings: Mapping[str, Any],
    labels: str,
    computed: Sequence[str] = (),
    shipped: str | None = None,
    title: str = "labels",
) -> None:
    """Write a label set from single frames and from the set that ships.

    Parameters
    ----------
    frames
        Names of the frames, in the order of the set.
    settings
        The settings that all frames must have been made with.
    labels
        NetCDF file to write.
    computed
        Files of single frames.
    shipped
        A set that the other frames come from.
    title
        Name of the set.
    """
    collect_frames(frames, settings, labels, computed, shipped or None, title)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(collect_labels, globals().get("snakemake"))
