"""Write a small picture of a figure, for the documentation."""

from PIL import Image

WIDTH_PIXELS = 720


def shrink_picture(figure: str, picture: str):
    """Write a figure as a picture of `WIDTH_PIXELS` pixels width with 256 colours.

    Parameters
    ----------
    figure
        PNG file of the figure.
    picture
        PNG file to write.
    """
    with Image.open(figure) as image:
        size = WIDTH_PIXELS, round(WIDTH_PIXELS * image.height / image.width)
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(shrink_picture, globals().get("snakemake"))
