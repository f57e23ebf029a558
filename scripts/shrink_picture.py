"""A small picture of a figure, for the README."""

from PIL import Image

WIDTH_PIXELS = 720


def shrink_picture(figure: str, picture: str):
    """Write the PNG `figure` as `picture`, `WIDTH_PIXELS` wide in 256 colours."""
    with Image.open(figure) as image:
        size = WIDTH_PIXELS, round(WIDTH_PIXELS * image.height / image.width)
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(shrink_picture, globals().get("snakemake"))
