"""The laws of merging as functions, for whoever writes a sketch of their own.

A sketch is held to them by one call (see :func:`check_laws`); the tests of Watchkeeper make the same call for each
class of its own.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from watchkeeper.sketches.protocol import Sketch

TOLERANCE = 1e-12
"""Floating sums may differ by this share of the sum of absolute values."""

_S = TypeVar("_S", bound="Sketch")


class LawBroken(AssertionError):
    """A sketch broke a law of merging; ``law`` says which, ``where`` which part of the state, and how."""

    def __init__(self, law: str, where: str) -> None:
        self.law, self.where = law, where
        super().__init__(f"{law}: {where}")


def same(
    first: object,
    second: object,
    *,
    sums: Iterable[str] = (),
    annotations: Iterable[str] = (),
    scale: object = None,
) -> bool:
    """Return whether two states are the same by the law: see :func:`difference` for what each argument means.

    Examples
    --------
    >>> same({"total": 0.1 + 0.2}, {"total": 0.3}), same({"total": 0.1 + 0.2}, {"total": 0.3}, sums={"total"})
    (False, True)
    """
    return difference(first, second, sums=sums, annotations=annotations, scale=scale) is None


def difference(
    first: object,
    second: object,
    *,
    sums: Iterable[str] = (),
    annotations: Iterable[str] = (),
    scale: object = None,
) -> str | None:
    """Return in words the first place at which two states differ, or None where they are the same.

    Counts, cells, shifts and texts, and floats that are no sums, must be identical to the bit (any NaN equals any NaN).

    Parameters
    ----------
    first, second
        States: nested mappings and lists of plain values and arrays.
    sums
        Keys, at any depth, under which floating sums stand: a class's ``SUMS``. They may differ by 1e-12 of ``scale``.
    annotations
        Keys, at any depth, outside the law: a class's ``ANNOTATIONS``. A mapping under such a key is looked at all the
        same, for it belongs to a column that happens to have that name.
    scale
        The sum of absolute values: one number, or a state of the same form in which each sum stands as the sum of the
        absolute values. None takes the larger of the two sums, which is right where nothing that is summed is negative.
    """
    rules = frozenset(sums), frozenset(annotations)
    return _difference(first, second, scale, rules, "", summed=False)


Rules = tuple[frozenset[str], frozenset[str]]


def _difference(first: object, second: object, scale: object, rules: Rules, path: str, *, summed: bool) -> str | None:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return _mapping_difference(first, second, scale, rules, path)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        if len(first) != len(second):
            return f"{path or 'the state'} has {len(first)} and {len(second)} entries"
        scales = scale if isinstance(scale, list | tuple) and len(scale) == len(first) else [None] * len(first)
        found = (
            _difference(a, b, s, rules, f"{path}[{i}]", summed=summed)
            for i, (a, b, s) in enumerate(zip(first, second, scales, strict=True))
        )
        return next((f for f in found if f is not None), None)
    floating = getattr(getattr(first, "dtype", None), "kind", None) == "f" or isinstance(first, float)
    equal = _close(first, second, scale) if summed and floating else _identical(first, second)
    return None if equal else f"{path or 'the state'} is {_short(first)} and {_short(second)}"


def _mapping_difference(
    first: Mapping[Any, Any], second: Mapping[Any, Any], scale: object, rules: Rules, path: str
) -> str | None:
    sums, annotations = rules
    for key in [*first, *(k for k in second if k not in first)]:
        place = f"{path}.{key}" if path else str(key)
        if key in annotations and not isinstance(first.get(key, second.get(key)), Mapping):
            continue
        if key not in first or key not in second:
            return f"{place} is only in the {'first' if key in first else 'second'}"
        inner = scale.get(key) if isinstance(scale, Mapping) else scale
        found = _difference(first[key], second[key], inner, rules, place, summed=key in sums)
        if found is not None:
            return found
    return None


def _close(first: object, second: object, scale: object) -> bool:
    import numpy as np

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        return False
    size = np.maximum(np.abs(a), np.abs(b)) if scale is None else np.abs(np.asarray(scale, dtype=np.float64))
    with np.errstate(invalid="ignore"):
        return bool(np.all((a == b) | (np.abs(a - b) <= TOLERANCE * size)))


def _identical(first: object, second: object) -> bool:
    import numpy as np

    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
            return False
        if first.dtype != second.dtype or first.shape != second.shape:
            return False
        return _same_bits(first, second) if first.dtype.kind == "f" else bool(np.array_equal(first, second))
    if isinstance(first, float) and isinstance(second, float):
        return _same_bits(np.array(first), np.array(second))
    return type(first) is type(second) and first == second


def _same_bits(first: Any, second: Any) -> bool:
    import numpy as np

    both_nan = np.isnan(first) & np.isnan(second)
    return bool(np.all(both_nan | ((first == second) & (np.signbit(first) == np.signbit(second)))))


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else text[:117] + "..."


def check_laws(
    make: Callable[[], _S],
    parts: Sequence[Callable[[_S], object]],
    whole: Callable[[_S], object] | None = None,
    *,
    scale: object = None,
    read: Callable[[Mapping[str, Any]], _S] | None = None,
) -> None:
    """Hold a sketch to the laws of merging.

    The empty sketch is neutral on both sides; merging is commutative and associative; parts merged in any order, parts
    added one after the other, and all rows added at once are the same; ``state`` and ``from_state`` are inverse, also
    through the codec; neither merging nor a later update of what came of it changes an operand, and an update changes
    no state that was handed out.

    Parameters
    ----------
    make
        Makes an empty sketch.
    parts
        At least one function that adds rows to a sketch.
    whole
        Adds the rows of all parts in one update, in any order of rows. None leaves that comparison out.
    scale
        As in :func:`difference`, for all rows together; or a function that makes such a scale from a state.
    read
        Makes a sketch from its state; ``from_state`` of the class unless given.

    Raises
    ------
    LawBroken
        With the law and the place in the state.

    Examples
    --------
    >>> import numpy as np
    >>> from watchkeeper.sketches.moments import Moments
    >>> rows = np.array([1.0, 2.0, 4.0])
    >>> check_laws(Moments, [lambda m: m.update(rows[:1]), lambda m: m.update(rows[1:])], lambda m: m.update(rows))
    """
    laws = _Laws(make, scale, read or type(make()).from_state)
    pieces = [laws.built(part) for part in parts]
    laws.check_identity([*pieces, make()])
    laws.check_orders(pieces)
    laws.check_updates(pieces, parts, whole)
    for sketch in (make(), laws.merged(pieces)):
        laws.check_round_trip(sketch)
    for part in parts:
        laws.check_operands(pieces[0], pieces[-1], part)


class _Laws:
    def __init__(self, make: Callable[[], Any], scale: object, read: Callable[[Mapping[str, Any]], Any]) -> None:
        self.make, self.scale, self._read = make, scale, read
        self.sums: frozenset[str] = getattr(make(), "SUMS", frozenset())
        self.annotations: frozenset[str] = getattr(make(), "ANNOTATIONS", frozenset())

    def read(self, state: Mapping[str, Any]) -> Any:
        from watchkeeper.errors import WatchkeeperError

        try:
            return self._read(state)
        except WatchkeeperError as error:
            raise LawBroken("from_state reads what state gave", str(error)) from error

    def built(self, *parts: Callable[[Any], object]) -> Any:
        sketch = self.make()
        for part in parts:
            part(sketch)
        return sketch

    def merged(self, sketches: Iterable[Any]) -> Any:
        whole = self.make()
        for sketch in sketches:
            whole = whole.merge(sketch)
        return whole

    def expect(self, law: str, first: Any, second: Any) -> None:
        mine = first.state()
        scale = self.scale(mine) if callable(self.scale) else self.scale
        where = difference(mine, second.state(), sums=self.sums, annotations=self.annotations, scale=scale)
        if where is not None:
            raise LawBroken(law, where)

    def expect_exactly(self, law: str, first: object, second: object) -> None:
        where = difference(first, second)
        if where is not None:
            raise LawBroken(law, where)

    def check_identity(self, sketches: Iterable[Any]) -> None:
        for sketch in sketches:
            self.expect("an empty sketch is neutral on the left", self.make().merge(sketch), sketch)
            self.expect("an empty sketch is neutral on the right", sketch.merge(self.make()), sketch)

    def check_orders(self, pieces: list[Any]) -> None:
        straight = self.merged(pieces)
        self.expect("merging is commutative", self.merged(reversed(pieces)), straight)
        for a, b in itertools.pairwise(pieces):
            self.expect("merging is commutative", a.merge(b), b.merge(a))
        for a, b, c in zip(pieces, pieces[1:], pieces[2:], strict=False):
            self.expect("merging is associative", a.merge(b).merge(c), a.merge(b.merge(c)))
        self.expect(
            "merging is associative", self.merged([self.merged(pieces[::2]), self.merged(pieces[1::2])]), straight
        )

    def check_updates(self, pieces: list[Any], parts: Sequence[Any], whole: Any) -> None:
        straight = self.merged(pieces)
        self.expect("a whole is the merge of its parts", self.built(*parts), straight)
        self.expect("a whole is the merge of its parts", self.built(*reversed(parts)), straight)
        if whole is not None:
            self.expect("rows at once are the merge of their parts", self.built(whole), straight)
            self.expect("rows at once are the rows in pieces", self.built(whole), self.built(*parts))

    def check_round_trip(self, sketch: Any) -> None:
        from watchkeeper.profiles import codec

        state = sketch.state()
        self.expect_exactly("from_state gives back what state gave", self.read(sketch.state()).state(), state)
        data = codec.encode(state)
        self.expect_exactly("the codec gives back what it stored", codec.decode(data), state)
        again = self.read(codec.decode(data))
        self.expect_exactly("from_state gives back what the codec stored", again.state(), state)
        self.expect("what was stored merges as the original", again.merge(sketch), sketch.merge(sketch))

    def check_operands(self, first: Any, second: Any, part: Callable[[Any], object]) -> None:
        a, b = self.read(copy.deepcopy(first.state())), self.read(copy.deepcopy(second.state()))
        before = copy.deepcopy(a.state()), copy.deepcopy(b.state())
        merged = a.merge(b)
        self.expect_exactly("merging changes neither operand", [a.state(), b.state()], list(before))
        handed_out = merged.state()
        kept = copy.deepcopy(handed_out)
        part(merged)
        self.expect_exactly("an update after merging changes neither operand", [a.state(), b.state()], list(before))
        self.expect_exactly("an update changes no state handed out before", handed_out, kept)
        merged = a.merge(b)
        kept = copy.deepcopy(merged.state())
        part(a)
        part(b)
        self.expect_exactly("an update of an operand does not change what was merged", merged.state(), kept)
