"""Two real processes: norms are those of the whole model on every rank, and a rank whose weights differ is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
KINDS = ("ddp", "fsdp2", "fsdp1", "apart", "ddp, fails", "fsdp2, fails")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what each of two processes recorded, by kind of training."""
    meeting = tmp_path_factory.mktemp("ranks") / "meeting"
    paths = os.pathsep.join([str(HERE), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(HERE / "torch_ranks.py"), str(rank), str(meeting), *KINDS],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        told = [rank.communicate(timeout=120) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    lines = [next((line for line in out.splitlines() if line.startswith("FOUND ")), None) for out, _ in told]
    assert None not in lines, told
    return [json.loads(line.removeprefix("FOUND ")) for line in lines if line is not None]


@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "fsdp1"])
def test_gradients_have_the_norm_of_the_whole(found: list[dict[str, Any]], kind: str) -> None:
    for rank in found:
        assert np.sqrt(rank[kind]["norms"]) == pytest.approx(rank[kind]["wanted"], rel=1e-5)
        assert [f for f in rank[kind]["findings"] if f[0] in {"watching_failed", "rank_desync"}] == []
    assert found[0][kind]["wanted"] == pytest.approx(found[1][kind]["wanted"], rel=1e-6)


def test_sharded_weights_have_the_norms_of_replicated_ones(found: list[dict[str, Any]]) -> None:
    for kind in ("fsdp2", "fsdp1"):
        for rank in found:
            np.testing.assert_allclose(rank[kind]["weights"], rank["ddp"]["weights"], rtol=1e-5)
            assert rank[kind]["layers"] == found[0]["ddp"]["layers"]


def test_a_rank_whose_weights_differ_is_found_on_every_rank_with_the_layer(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert ["rank_desync", "2.weight", 10] in rank["apart"]["findings"]


@pytest.mark.parametrize("kind", ["ddp, fails", "fsdp2, fails"])
def test_a_watch_that_fails_on_one_rank_holds_up_no_other(found: list[dict[str, Any]], kind: str) -> None:
    problems = [{f[0] for f in rank[kind]["findings"]} for rank in found]
    assert "watching_failed" in problems[1]
    assert not problems[0] & {"watching_failed", "rank_desync"}
    assert [rank[kind]["steps"] for rank in found] == [11, 2]
