"""Charts are well-formed, within their frame, and tell the truth about odd values."""

import math
import re
from xml.etree import ElementTree

import pytest

from preftrain_trainer.report import chart
from preftrain_trainer.report.chart import HEIGHT, WIDTH, Mark, figure, histogram, line_chart
from preftrain_trainer.report.series import Series


def tree(svg: str) -> ElementTree.Element:
    """The picture as elements; raises when it is not well-formed."""
    return ElementTree.fromstring(svg)  # noqa: S314 - made by the program under test


def lines(svg: str) -> list[str]:
    return re.findall(r'<polyline class="line ([^"]*)"', svg)


def test_every_point_lies_within_the_frame() -> None:
    """Whatever the range of the values."""
    series = [Series("a", tuple((step, 10.0**step) for step in range(-6, 12)))]
    svg = line_chart(series, title="t")
    for at in re.findall(r'points="([^"]*)"', svg):
        for place in at.split():
            x, y = map(float, place.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    tree(svg)


def test_a_value_that_is_no_number_breaks_the_line() -> None:
    """It must not be drawn as if the curve went on."""
    values = ((1, 1.0), (2, 2.0), (3, math.nan), (4, 2.0), (5, 1.0))
    assert lines(line_chart([Series("a", values)], title="t")) == ["c0", "c0"]


@pytest.mark.parametrize(
    ("values", "mark"), [(((1, 0.5),), "<circle"), (((1, 2.0), (2, 2.0)), "<polyline")]
)
def test_few_and_equal_values_can_be_drawn(
    values: tuple[tuple[int, float], ...], mark: str
) -> None:
    """A run may end after one step."""
    svg = line_chart([Series("a", values)], title="t")
    tree(svg)
    assert svg.count(mark) == 1


def test_only_numbers_can_be_drawn() -> None:
    """What has none says so."""
    for value in (math.nan, math.inf):
        assert "no numbers" in line_chart([Series("a", ((1, value),))], title="t")
    assert "no numbers" in histogram([math.nan], title="t", zero="0")


def test_many_points_get_their_mean_unless_they_are_exact() -> None:
    """Noise is drawn thin beneath it."""
    values = tuple((step, float(step % 7)) for step in range(1, 101))
    assert lines(line_chart([Series("a", values)], title="t")) == ["c0 raw", "c0"]
    assert lines(line_chart([Series("a", values)], title="t", smooth=False)) == ["c0"]


def test_marks_levels_and_evaluations_are_drawn_where_they_belong() -> None:
    """Within the range of the steps and the values."""
    values = tuple((step, float(step)) for step in range(1, 11))
    svg = line_chart(
        [Series("a", values)],
        title="t",
        evaluated=((5, 4.0), (10, math.nan)),
        marks=[Mark(3, "Guard at step 3"), Mark(99, "beyond")],
        level=50.0,
    )
    assert svg.count('class="evaluated"') == 1
    assert "Guard at step 3" in svg
    assert "beyond" not in svg
    assert 'class="level"' not in svg


def test_text_in_a_chart_is_escaped() -> None:
    """Labels come from tables, titles of marks from guards."""
    svg = line_chart(
        [Series("<a>", ((1, 1.0), (2, 2.0)))], title='"<t>', marks=[Mark(1, "<script>")]
    )
    assert "<script>" not in svg
    tree(svg)


def test_a_histogram_counts_every_value_on_its_side_of_zero() -> None:
    """In two colours."""
    values = [-1.0, -0.5, 0.1, 0.2, 0.3, 2.0]
    svg = histogram(values, title="t", zero="right")
    counts = {"right": 0, "wrong": 0}
    for side, count in re.findall(r'class="bar (\w+)".*?<title>[^:]*: (\d+)</title>', svg):
        counts[side] += int(count)
    assert counts == {"right": 4, "wrong": 2}
    tree(svg)


def test_an_interval_shows_value_ends_and_chance() -> None:
    """For screen readers in words."""
    svg = chart.interval(0.7, 0.6, 0.8, title="accuracy 0.7")
    assert tree(svg).get("aria-label") == "accuracy 0.7"
    assert "chance" in svg


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.69314718, "0.6931"),
        (1234.5, "1234"),
        (5e-6, "5e-6"),
        (1.5e-7, "1.5e-7"),
        (250_000.0, "2.5e5"),
        (math.nan, "no number"),
    ],
)
def test_figures_have_the_digits_that_count(value: float, text: str) -> None:
    """Neither a row of zeros nor false precision."""
    assert figure(value) == text
