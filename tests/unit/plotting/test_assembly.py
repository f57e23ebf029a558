"""The page of a whole figure."""

import matplotlib.pyplot as plt
import pytest
from pypdf import PdfReader

from assemble_figure import GAP_CM, LETTER, POINTS_PER_CM, arrange, assemble_figure

WIDTH_CM = 17.8


@pytest.fixture
def panels(tmp_path):
    paths = []
    for number, height in enumerate((2.0, 4.0, 2.5, 3.0)):
        figure = plt.figure(figsize=(3.4, height))
        figure.text(0.5, 0.5, f"panel {number}")
        paths.append(tmp_path / f"fig9{'abcd'[number]}.pdf")
        figure.savefig(paths[-1])
        plt.close(figure)
    return [str(path) for path in paths]


def pages_of(panels, tmp_path, height_cm):
    path = tmp_path / "fig9.pdf"
    assemble_figure(panels, list("abcd"), WIDTH_CM, height_cm, str(path))
    return PdfReader(path).pages


def test_all_panels_are_on_one_page_with_their_letters(panels, tmp_path):
    (page,) = pages_of(panels, tmp_path, 24)
    assert float(page.mediabox.width) == pytest.approx(WIDTH_CM * POINTS_PER_CM)
    text = page.extract_text()
    assert all(f"panel {number}" in text for number in range(4))
    assert all(f"({letter})" in text for letter in "abcd")


def test_a_figure_that_is_too_high_continues_on_another_page(panels, tmp_path):
    pages = pages_of(panels, tmp_path, 14)
    assert len(pages) == 2
    assert all(float(page.mediabox.height) < 14 * POINTS_PER_CM for page in pages)
    texts = [page.extract_text() for page in pages]
    assert "(a)" in texts[0]
    assert "(d)" in texts[1]
    for number, letter in enumerate("abcd"):
        (text,) = (text for text in texts if f"({letter})" in text)
        assert f"panel {number}" in text


def test_panels_do_not_overlap_and_keep_their_size():
    """The second panel is as wide as the page."""
    heights = (100.0, 150.0, 300.0, 50.0, 70.0, 90.0, 400.0)
    sizes = [(504.0 if height == 150 else 244.8, height) for height in heights]
    places = arrange(sizes, 504.6, 680.0)
    assert {place.page for place in places} == {0, 1}
    boxes = [
        (at.x, at.bottom - at.height - LETTER, at.x + size[0] * at.scale, at.bottom)
        for at, size in zip(places, sizes, strict=True)
    ]
    for number, (one, at) in enumerate(zip(boxes, places, strict=True)):
        assert at.scale == pytest.approx(1, abs=0.02)
        assert one[0] >= 0 and one[1] >= -1e-9 and one[2] <= 504.6 + 1e-6 and one[3] <= 680
        for other, before in zip(boxes[:number], places[:number], strict=True):
            apart = max(one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
            assert before.page != at.page or apart > GAP_CM * POINTS_PER_CM - 1e-6
