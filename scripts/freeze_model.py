"""Export a trained member for deepmd-kit's TensorFlow backend, plain and compressed."""

from moirepol.model.committee import freeze


def freeze_model(member: str, frozen: str, compressed: str) -> None:
    """Export one member.

    Parameters
    ----------
    member
        Native model file (.dp).
    frozen, compressed
        Files for TensorFlow to write (.pb).

    Raises
    ------
    JobError
        If deepmd-kit's program fails.
    """
    freeze(member, frozen, compressed)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(freeze_model, globals().get("snakemake"))
