"""Assemble the panels of a figure on one page of journal width."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from moirepol.plotting import STYLE

POINTS_PER_CM = 72 / 2.54
GAP_CM = 0.4
#: Space above a panel for its letter, in points.
LETTER = 8.0


def assemble_figure(
    panels: Sequence[str],
    letters: Sequence[str],
    width_cm: float,
    height_cm: float,
    figure: str,
) -> None:
    """Place panels in columns, in their order from left to right, each with its letter.

    Parameters
    ----------
    panels
        PDF files of the panels, all of one width.
    letters
        Letter of each panel.
    width_cm
        Width of the page.
    height_cm
        Largest height of the page. There are two columns if the panels fit, otherwise more.
    figure
        PDF file to write.
    """
    pages = [PdfReader(panel).pages[0] for panel in panels]
    sizes = [(float(page.mediabox.width), float(page.mediabox.height)) for page in pages]
    width = width_cm * POINTS_PER_CM
    columns = 2
    places, scale, height = arrange(sizes, columns, width)
    while height > height_cm * POINTS_PER_CM and columns < len(pages):
        columns += 1
        places, scale, height = arrange(sizes, columns, width)
    writer = PdfWriter()
    sheet = writer.add_blank_page(width, height)
    tops = [(x, y - size[1] * scale) for (x, y), size in zip(places, sizes, strict=True)]
    parts = [(page, scale, x, height - y) for page, (x, y) in zip(pages, places, strict=True)]
    parts.append((_letters(letters, tops, width, height), 1.0, 0.0, 0.0))
    forms, content = DictionaryObject(), []
    for number, (page, size, x, y) in enumerate(parts):
        name = f"/Panel{number}"
        forms[NameObject(name)] = _form(page, writer)
        content.append(f"q {size:.6f} 0 0 {size:.6f} {x:.4f} {y:.4f} cm {name} Do Q")
    stream = StreamObject()
    stream.set_data("\n".join(content).encode())
    sheet[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): forms})
    sheet.replace_contents(stream)
    writer.compress_identical_objects()
    writer.write(Path(figure))


def _form(page, writer):
    """Put a page into a file as a form, which a content stream draws by its name."""
    form = StreamObject()
    form.set_data(page.get_contents().get_data())
    form.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/BBox"): page.mediabox.clone(writer),
            NameObject("/Resources"): page["/Resources"].clone(writer),
        }
    )
    return writer._add_object(form.flate_encode())


def arrange(
    sizes: Sequence[tuple[float, float]], columns: int, width: float
) -> tuple[list[tuple[float, float]], float, float]:
    """Return where panels are placed: each in the column that is shortest so far.

    Parameters
    ----------
    sizes
        Widths and heights of the panels in points.
    columns
        Number of columns.
    width
        Width of the page in points.

    Returns
    -------
    places : list of (x, y)
        Lower left corner of each panel, in points from the left and from the top of the page.
    scale : float
        Factor of the sizes of all panels.
    height : float
        Height of the page in points.
    """
    gap = GAP_CM * POINTS_PER_CM
    column = (width - gap * (columns - 1)) / columns
    scale = column / max(size[0] for size in sizes)
    filled = [0.0] * columns
    places = []
    for _, own in sizes:
        shortest = min(range(columns), key=lambda place: round(filled[place], 1))
        filled[shortest] += LETTER + own * scale
        places.append((shortest * (column + gap), filled[shortest]))
        filled[shortest] += gap
    return places, scale, max(filled) - gap


def _letters(letters, tops, width, height):
    """Return a page with a letter at each place, in points from the left and from the top."""
    matplotlib.rcParams.update(STYLE)
    figure = plt.figure(figsize=(width / 72, height / 72))
    for letter, (x, y) in zip(letters, tops, strict=True):
        place = (x + 1) / width, 1 - y / height
        figure.text(*place, f"({letter})", weight="bold", fontsize=9)
    figure.patch.set_alpha(0)
    stream = BytesIO()
    figure.savefig(stream, format="pdf", metadata={"CreationDate": None})
    plt.close(figure)
    return PdfReader(stream).pages[0]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(assemble_figure, globals().get("snakemake"))
