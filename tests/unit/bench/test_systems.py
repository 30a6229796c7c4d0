"""Systems are files; loads come as they are asked for."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench.operator.errors import BenchError
from bench.operator.load import BURST_CONNECTIONS, in_burst, in_open_loop
from bench.operator.system import SYSTEMS, fill_in, load_system
from preftrain_api.reading import read_job
from preftrain_api.result import PrepareResult, TrainResult
from preftrain_api.wire import WireModel
from support.pages import ROOT, blocks


@pytest.mark.parametrize("name", sorted(file.stem for file in SYSTEMS.glob("*.yaml")))
def test_the_systems_here_can_be_read(name: str) -> None:
    """Each renders an object of its own name."""
    system = load_system(name)
    body = system.render("b-00001", "bench")
    assert body["metadata"] == {"name": "b-00001", "namespace": "bench"}
    assert "metadata" not in system.manifest


def test_the_system_that_the_page_shows_can_be_read(tmp_path: Path) -> None:
    """Whoever copies it has a file that is taken."""
    shown = [text for _, text in blocks(ROOT / "docs/how-to/measure-an-operator.md", "yaml")]
    assert shown
    for text in shown:
        file = tmp_path / "shown.yaml"
        file.write_text(text)
        assert load_system(str(file)).processes


@pytest.mark.parametrize("name", ["preftrain", "preftrain-prepare"])
def test_our_own_systems_are_valid_jobs_whose_pods_end_well(name: str) -> None:
    """Otherwise the operator would be measured refusing them."""
    system = load_system(name)
    read_job(system.render("b-00001", "bench"))
    models: dict[str, type[WireModel]] = {"Prepare": PrepareResult, "Train": TrainResult}
    for text in system.message_texts:
        message = json.loads(text)
        models[message["stage"]].parse(message)


def test_a_misspelt_member_is_named(tmp_path: Path) -> None:
    """And so is a file that is not there, with those that are."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: Mine\ndone: Complete\nmanifest: {}\nproces: {}\n")
    with pytest.raises(BenchError, match="proces"):
        load_system(str(file))
    with pytest.raises(BenchError, match="job, preftrain"):
        load_system("nothing")


def test_places_are_filled_in_and_unknown_ones_refused() -> None:
    """A command line names the interpreter and what the stand knows."""
    assert fill_in("$python -c $kubeconfig", {"kubeconfig": "k"}) == f"{sys.executable} -c k"
    with pytest.raises(BenchError, match="cluster"):
        fill_in("$cluster", {})


async def test_a_burst_keeps_its_number_of_requests_in_flight() -> None:
    """No more, and each item once."""
    now = most = 0
    done: list[int] = []

    async def act(item: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        done.append(item)

    await in_burst(range(100), act)
    assert sorted(done) == list(range(100))
    assert most == BURST_CONNECTIONS


async def test_an_open_loop_does_not_wait_for_answers() -> None:
    """All are sent although none is answered before the last has come."""
    last_came = asyncio.Event()
    answered: list[int] = []

    async def act(item: int) -> None:
        if item == 4:
            last_came.set()
        await last_came.wait()
        answered.append(item)

    async with asyncio.timeout(5):
        await in_open_loop(range(5), act, per_second=1000)
    assert sorted(answered) == list(range(5))
