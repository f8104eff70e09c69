"""Event files of TensorBoard are read as they were written, as far as they go, and never wrongly."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from eventfile import event, event_file, frame, simple, tensor, text, varint
from hypothesis import example, given
from hypothesis import strategies as st

from watchkeeper.errors import UnreadableSource
from watchkeeper.training.reading.sources import read_runs
from watchkeeper.training.reading.tensorboard import scalars
from watchkeeper.training.reading.tfrecord import Malformed, fields, masked_crc
from watchkeeper.training.verdict import verdict_of

LOSSES = [float(np.float32(2 * 0.99**step)) for step in range(120)]
NAME = "events.out.tfevents.1.host"


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_the_checksum_is_that_of_the_standard(data: bytes, crc: int) -> None:
    """RFC 3720, B.4, and the check value of CRC-32C."""
    assert masked_crc(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@given(st.integers(-(2**63), 2**63 - 1))
@example(0)
def test_numbers_of_any_size_are_read(value: int) -> None:
    assert list(fields(varint(5 << 3) + varint(value))) == [(5, value & (2**64 - 1), b"")]


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        list(fields(data))


def test_scalars_of_both_kinds_are_read_and_texts_left(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(
        event_file([])
        + event(3, simple("a", 0.5), text("t", "words"), tensor("b", -2.0), tensor("c", 0.1, double=True))
        + event(2**40, simple("a", 1.0))
    )
    assert list(scalars(path)) == [(3, "a", 0.5), (3, "b", -2.0), (3, "c", 0.1), (2**40, "a", 1.0)]


@given(st.integers(0, len(event_file(LOSSES[:5]))))
def test_a_file_that_is_cut_anywhere_is_read_as_far_as_it_goes(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / NAME
    path.write_bytes(event_file(LOSSES[:5])[:cut])
    read = [value for _, _, value in scalars(path)]
    assert read == LOSSES[: len(read)]
    assert len(read) == sum(cut >= len(event_file(LOSSES[: n + 1])) for n in range(5))


@given(st.integers(0, len(event_file(LOSSES[:3])) - 1), st.integers(0, 7))
def test_a_flipped_bit_never_changes_a_number(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    """The checksums tell: what is read is what was written, or the file is refused. The version's event has no number."""
    whole = bytearray(event_file(LOSSES[:3]))
    whole[place] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / NAME
    path.write_bytes(whole)
    try:
        read = [value for _, _, value in scalars(path)]
    except UnreadableSource:
        return
    assert read == LOSSES[:3]


def test_a_log_folder_is_a_run_and_its_parts_are_parts_of_it(tmp_path: Path) -> None:
    for part, tag, scale in (("train", "epoch_loss", 1.0), ("validation", "epoch_loss", 1.5)):
        (tmp_path / "keras" / part).mkdir(parents=True)
        (tmp_path / "keras" / part / NAME).write_bytes(event_file([scale * v for v in LOSSES], tag))
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / NAME).write_bytes(event_file(LOSSES))
    read = {watching.run.name: watching.run for watching in read_runs(tmp_path)}
    assert read.keys() == {"keras", "torch"}
    assert set(read["keras"].series) == {"loss", "validation/loss"}
    assert read["keras"].series["loss"].values.tolist() == LOSSES
    [watching] = read_runs(tmp_path / "torch" / NAME)
    assert watching.run.name == "torch"
    assert verdict_of(watching) == "ok"


def test_a_restarted_run_goes_on_where_its_second_file_begins(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.a").write_bytes(event_file(LOSSES[:100]))
    (tmp_path / "events.out.tfevents.2.a").write_bytes(
        b"".join(event(s, simple("loss/train", LOSSES[s])) for s in range(80, 120))
    )
    [watching] = read_runs(tmp_path)
    assert watching.run.series["loss"].count == 121
    assert watching.run.step == 119


def test_steps_that_stand_still_are_counted(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"".join(event(0, simple("loss", v)) for v in LOSSES))
    assert read_runs(tmp_path)[0].run.series["loss"].steps.tolist() == list(range(120))


def test_what_is_no_event_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"this is a text and no event file")
    with pytest.raises(UnreadableSource, match="checksum"):
        read_runs(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(event_file([]) + frame(struct.pack("<d", 1.0)))
    with pytest.raises(UnreadableSource, match="damaged"):
        read_runs(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(event_file([]))
    with pytest.raises(UnreadableSource, match="no scalars"):
        read_runs(tmp_path / NAME)
