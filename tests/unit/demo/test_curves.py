"""The demo's curves: read from Prometheus by step, drawn without a screen."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from demo.curves import Curves, CurvesError, draw, draw_picture, join_by_step, read_curves

STEP = [[100, "0"], [105, "1"], [110, "1"], [115, "2"], [120, "4"]]
LOSS = [[100, "0"], [105, "3.5"], [110, "3.0"], [115, "NaN"], [120, "1.5"]]


class Prometheus(BaseHTTPRequestHandler):
    """Answers range queries as Prometheus does, and keeps what it was asked."""

    asked: list[dict[str, list[str]]]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append(form)
        values = STEP if form["query"][0].startswith("preftrain_step{") else LOSS
        body = {"status": "success", "data": {"resultType": "matrix", "result": []}}
        if "nobody" not in form["query"][0]:
            body["data"]["result"] = [{"metric": {}, "values": values}]  # type: ignore[index]
        self.send_response(400 if "broken" in form["query"][0] else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def prometheus() -> Iterator[str]:
    Prometheus.asked = []
    server = HTTPServer(("127.0.0.1", 0), Prometheus)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_values_are_paired_with_the_step_of_the_same_scrape() -> None:
    """The last scrape of a step counts, step 0 does not, and a gap stays a gap."""
    step = {1.0: 0.0, 2.0: 1.0, 3.0: 1.0, 4.0: 2.0, 5.0: 4.0}
    loss = {1.0: 0.0, 2.0: 3.5, 3.0: 3.0, 5.0: 1.5}
    assert join_by_step(step, loss) == ((1, 3.0), (4, 1.5))


def test_curves_come_from_range_queries(prometheus: str) -> None:
    """Distinct steps are counted once; values that are no numbers are left out."""
    curves = read_curves(prometheus, 'pod="p"', 100, 120)
    assert curves.steps_seen == 3
    assert curves.loss == ((1, 3.0), (4, 1.5))
    assert Prometheus.asked[0]["query"] == ['preftrain_step{pod="p"}']


def test_long_runs_stay_within_what_prometheus_answers(prometheus: str) -> None:
    """A range of a week is asked for in coarser steps, not refused."""
    read_curves(prometheus, "", 0, 7 * 86400)
    assert 7 * 86400 / float(Prometheus.asked[0]["step"][0]) < 11_000


def test_unknown_runs_have_no_samples(prometheus: str) -> None:
    """No series is an answer, not an error."""
    assert read_curves(prometheus, 'job="nobody"', 0, 10) == Curves(0, (), ())


@pytest.mark.parametrize("selector", ['job="broken"'])
def test_a_refused_query_is_reported(prometheus: str, selector: str) -> None:
    """The message names the server."""
    with pytest.raises(CurvesError, match=prometheus):
        read_curves(prometheus, selector, 0, 10)


def test_an_unreachable_prometheus_is_reported() -> None:
    """One sentence instead of a traceback."""
    with pytest.raises(CurvesError, match="did not answer"):
        read_curves("http://127.0.0.1:9", "", 0, 10)


def test_a_falling_curve_falls() -> None:
    """First dots at the top left, last ones at the bottom right, range at the side."""
    lines = draw([(1, 3.0), (2, 2.0), (3, 1.0)], "loss", width=10, rows=3).splitlines()
    assert lines[0] == "loss: 3.000 to 1.000"
    assert lines[1].startswith("   3.000 ┤")
    assert lines[3].startswith("   1.000 ┤")
    blank = "\u2800"
    assert lines[1][10] != blank
    assert lines[1][-1] == blank
    assert lines[3][10] == blank
    assert lines[3][-1] != blank


def test_a_steep_curve_holds_together() -> None:
    """A jump is a line from bottom to top, not two dots far from each other."""
    lines = draw([(1, 0.0), (2, 0.0), (3, 9.0), (4, 9.0)], "margin", width=10, rows=6).splitlines()
    assert all(set(line.partition("┤")[2]) != {"\u2800"} for line in lines[1:7])


@pytest.mark.parametrize("points", [[(1, 2.0)], [(1, 2.0), (2, 2.0)]])
def test_flat_and_single_curves_are_drawn(points: list[tuple[int, float]]) -> None:
    """No division by zero."""
    assert "2.000" in draw(points, "loss")


def test_no_samples_are_said() -> None:
    """An empty plot would look like a flat one."""
    assert draw([], "loss") == "loss: no samples"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.png", "run.svg"])
def test_a_picture_is_written(tmp_path: Path, name: str) -> None:
    """For the documentation; the ending chooses the format."""
    curves = Curves(2, ((1, 3.0), (2, 1.0)), ((1, 0.0), (2, 4.0)))
    draw_picture(tmp_path / name, curves, [(80, 12), (60, 9)], "demo")
    assert (tmp_path / name).stat().st_size > 1000
