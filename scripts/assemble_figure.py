"""Assemble the panels of a figure on pages of journal width."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from moirepol.plotting import COLUMN_INCHES, STYLE

POINTS_PER_CM = 72 / 2.54
GAP_CM = 0.4
#: Space above a panel for its letter, in points.
LETTER = 8.0


@dataclass(frozen=True)
class Place:
    """Where a panel is placed, in points.

    Attributes
    ----------
    page
        Number of the page.
    x, bottom
        Lower left corner, from the left and from the top of the page.
    scale
        Factor of the size of the panel.
    height
        Height on the page.
    """

    page: int
    x: float
    bottom: float
    scale: float
    height: float


def assemble_figure(
    panels: Sequence[str],
    letters: Sequence[str],
    width_cm: float,
    height_cm: float,
    figure: str,
) -> None:
    """Place panels in columns, in their order from left to right, each with its letter.

    Panels keep their size, so that their text can be read. What is higher than a page continues on
    the next page.

    Parameters
    ----------
    panels
        PDF files of the panels.
    letters
        Letter of each panel.
    width_cm
        Width of the page.
    height_cm
        Largest height of the page.
    figure
        PDF file to write.
    """
    pages = [PdfReader(panel).pages[0] for panel in panels]
    sizes = [(float(page.mediabox.width), float(page.mediabox.height)) for page in pages]
    width = width_cm * POINTS_PER_CM
    places = arrange(sizes, width, height_cm * POINTS_PER_CM)
    writer = PdfWriter()
    for number in range(places[-1].page + 1):
        own = [
            (panel, letter, place)
            for panel, letter, place in zip(pages, letters, places, strict=True)
            if place.page == number
        ]
        height = max(place.bottom for _, _, place in own)
        tops = {letter: (place.x, place.bottom - place.height) for _, letter, place in own}
        parts = [(panel, at.scale, at.x, height - at.bottom) for panel, _, at in own]
        parts.append((_letters(tops, width, height), 1.0, 0.0, 0.0))
        _draw(writer.add_blank_page(width, height), parts, writer)
    writer.compress_identical_objects()
    writer.write(Path(figure))


def _draw(sheet, parts, writer):
    """Draw pages on a page: each with its factor and its lower left corner."""
    forms, content = DictionaryObject(), []
    for number, (page, size, x, y) in enumerate(parts):
        name = f"/Panel{number}"
        forms[NameObject(name)] = _form(page, writer)
        content.append(f"q {size:.6f} 0 0 {size:.6f} {x:.4f} {y:.4f} cm {name} Do Q")
    stream = StreamObject()
    stream.set_data("\n".join(content).encode())
    sheet[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): forms})
    sheet.replace_contents(stream)


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


def arrange(sizes: Sequence[tuple[float, float]], width: float, height: float) -> list[Place]:
    """Return where panels are placed: each in the column that is shortest so far.

    Parameters
    ----------
    sizes
        Widths and heights of the panels in points. A panel that is wider than a column takes the
        whole width.
    width, height
        Width and largest height of a page in points.

    Returns
    -------
    list of Place
        Place of each panel.
    """
    gap, natural = GAP_CM * POINTS_PER_CM, 72 * COLUMN_INCHES
    columns = max(1, round(width / natural))
    column = (width - gap * (columns - 1)) / columns
    filled, page, places = [0.0] * columns, 0, []
    for wide, high in sizes:
        spans = wide > 1.1 * natural
        scale = (width if spans else column) / wide
        shortest = min(range(columns), key=lambda place: round(filled[place], 1))
        start = max(filled) if spans else filled[shortest]
        if start and start + LETTER + high * scale > height:
            filled, page, shortest, start = [0.0] * columns, page + 1, 0, 0.0
        x = 0.0 if spans else shortest * (column + gap)
        bottom = start + LETTER + high * scale
        places.append(Place(page, x, bottom, scale, high * scale))
        for number in range(columns):
            if spans or number == shortest:
                filled[number] = bottom + gap
    return places


def _letters(tops, width, height):
    """Return a page with letters at places, in points from the left and from the top."""
    matplotlib.rcParams.update(STYLE)
    figure = plt.figure(figsize=(width / 72, height / 72))
    for letter, (x, y) in tops.items():
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
