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


def page_of(panels, tmp_path, height_cm):
    path = tmp_path / "fig9.pdf"
    assemble_figure(panels, list("abcd"), WIDTH_CM, height_cm, str(path))
    (page,) = PdfReader(path).pages
    return page


def test_all_panels_are_on_one_page_with_their_letters(panels, tmp_path):
    page = page_of(panels, tmp_path, 24)
    assert float(page.mediabox.width) == pytest.approx(WIDTH_CM * POINTS_PER_CM)
    text = page.extract_text()
    assert all(f"panel {number}" in text for number in range(4))
    assert all(f"({letter})" in text for letter in "abcd")


def test_a_figure_that_is_too_high_gets_more_columns(panels, tmp_path):
    high = page_of(panels, tmp_path, 24)
    low = page_of(panels, tmp_path, 12)
    assert float(low.mediabox.height) < 12 * POINTS_PER_CM < float(high.mediabox.height)
    assert low.mediabox.width == high.mediabox.width


def test_panels_do_not_overlap():
    sizes = [(240.0, height) for height in (100.0, 300.0, 50.0, 70.0, 90.0)]
    places, scale, height = arrange(sizes, 2, 500.0)
    boxes = [
        (x, bottom - size[1] * scale - LETTER, x + size[0] * scale, bottom)
        for (x, bottom), size in zip(places, sizes, strict=True)
    ]
    for number, one in enumerate(boxes):
        assert one[0] >= 0 and one[1] >= -1e-9 and one[2] <= 500 + 1e-9 and one[3] <= height + 1e-9
        for other in boxes[:number]:
            apart = max(one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
            assert apart > GAP_CM * POINTS_PER_CM - 1e-6
    assert [x for x, _ in places[:2]] == [0, pytest.approx(250 + GAP_CM * POINTS_PER_CM / 2)]
