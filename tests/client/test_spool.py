"""What lies on disk is whole, or it is not sent; what a dead process left is sent by the next."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from recorder import Recorder

from watchkeeper.client.batch import Batch
from watchkeeper.client.spool import Full, Spool
from watchkeeper.client.spoolfile import pack, pack_header, pack_line, unpack, unpack_lines
from watchkeeper.client.stats import Tally

BATCH = Batch("w000000000001-0123456789-000000", "predictions?model=m", b'{"predictions":[{"id":"a"}]}', 1)
ROWS = [f'{{"id":"{place}"}}' for place in range(3)]
GROWN = pack_header(BATCH.id, BATCH.target) + b"".join(map(pack_line, ROWS))


def test_a_batch_comes_back() -> None:
    assert unpack(pack(BATCH)) == BATCH


def test_a_batch_that_grew_comes_back() -> None:
    batch, damaged = unpack_lines(GROWN)
    assert (batch.id, batch.rows, batch.body, damaged) == (
        BATCH.id,
        3,
        b'{"predictions":[%b]}' % ",".join(ROWS).encode(),
        0,
    )


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_seen(flip: int) -> None:
    data = pack(BATCH)
    for place in range(len(data)):
        with pytest.raises((ValueError, KeyError)):
            unpack(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])


def test_every_cut_is_seen() -> None:
    data = pack(BATCH)
    for place in range(len(data)):
        with pytest.raises((ValueError, KeyError)):
            unpack(data[:place])


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_of_rows_only_whole_ones_are_sent(flip: int) -> None:
    head = len(pack_header(BATCH.id, BATCH.target))
    for place in range(len(GROWN)):
        data = GROWN[:place] + bytes([GROWN[place] ^ flip]) + GROWN[place + 1 :]
        if place < head:
            with pytest.raises((ValueError, KeyError)):
                unpack_lines(data)
        else:
            sent = unpack_lines(data)[0]
            assert sent.rows < 3
            assert set(sent.body[len('{"predictions":[') : -2].decode().replace("},{", "} {").split()) <= set(ROWS)


def test_of_rows_a_torn_last_one_is_dropped() -> None:
    ends = [place for place, byte in enumerate(GROWN) if byte == 10]
    for place in range(ends[0] + 1, len(GROWN)):
        batch, damaged = unpack_lines(GROWN[:place])
        assert (batch.rows, damaged) == (sum(end < place for end in ends) - 1, 0)


def put(root: Path, batches: int) -> Spool:
    spool = Spool(root, 10**6, Tally())
    for place in range(batches):
        spool.put(
            Batch(
                f"w{place:012x}-0123456789-000000", "predictions?model=m", b'{"predictions":[{"id":"%d"}]}' % place, 1
            )
        )
    return spool


def test_order_is_that_of_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6, Tally())
    names = [f"w{place:012x}-0123456789-000000" for place in range(20)]
    for name in random.Random(1).sample(names, 20):
        spool.put(Batch(name, "t", b"", 1))
    seen = []
    while (batch := spool.first()) is not None:
        seen.append(batch.id)
        spool.remove(batch.id)
    assert seen == names
    assert (spool.rows, spool.bytes) == (0, 0)


def test_damaged_files_are_moved_aside_and_counted(tmp_path: Path, server: Recorder, logger) -> None:
    log = logger()
    root = log._plan.spool
    spool = put(root, 30)
    files = sorted(root.glob("*/*.batch"))
    for place, path in enumerate(files[:20]):
        data = path.read_bytes()
        at = place * len(data) // 20
        path.write_bytes(data[:at] if place % 2 else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    spool.forget()
    assert log.flush()
    assert sorted(server.ids()) == sorted(map(str, range(20, 30)))
    assert len(list(root.glob("*.corrupt"))) == 20
    assert log.stats.adopted == 10


def test_a_file_damaged_while_it_waits_is_counted(tmp_path: Path) -> None:
    tally = Tally()
    spool = Spool(tmp_path, 10**6, tally)
    spool.put(BATCH)
    (path,) = tmp_path.glob("*/*.batch")
    path.write_bytes(path.read_bytes()[:-1])
    assert spool.first() is None
    assert tally.dropped["corrupt"] == 1


def test_folders_of_living_processes_are_left_alone(tmp_path: Path) -> None:
    living, other = put(tmp_path, 3), Spool(tmp_path, 10**6, Tally())
    other.adopt()
    assert (living.rows, other.rows) == (3, 0)
    living.forget()  # as when the process ends
    other.adopt()
    assert other.rows == 3
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 1


def test_an_adopted_batch_has_its_old_id(tmp_path: Path, server: Recorder, logger) -> None:
    log = logger()
    put(log._plan.spool, 1).forget()
    assert log.flush()
    assert list(server.batches) == ["w000000000000-0123456789-000000"]


def test_the_cap(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 3 * len(pack(BATCH)), Tally())
    for place in range(3):
        spool.put(Batch(f"w00000000000{place}-0123456789-000000", BATCH.target, BATCH.body, 1))
    with pytest.raises(Full):
        spool.put(BATCH)
    spool.remove("w000000000000-0123456789-000000")
    spool.put(BATCH)


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        Spool(tmp_path / "link", 10**6, Tally()).put(BATCH)


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    import shutil

    spool = put(tmp_path / "a", 1)
    shutil.rmtree(tmp_path / "a")
    assert spool.first() is None
    spool.put(BATCH)
    assert spool.first() == BATCH
