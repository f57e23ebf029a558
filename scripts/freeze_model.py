"""Export a trained member for deepmd-kit's TensorFlow backend, plain and compressed."""

from moirepol.model.committee import freeze


def freeze_model(member: str, frozen: str, compressed: str) -> None:
    """Write `frozen` and `compressed` (.pb) from the native model file `member` (.dp)."""
    freeze(member, frozen, compressed)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(freeze_model, globals().get("snakemake"))
