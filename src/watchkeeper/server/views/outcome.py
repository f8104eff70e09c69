"""What became of a model's predictions of late, beside the reference: curves, classes, sizes of errors, lists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.overview import Span
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.report import outcome_view
from watchkeeper.report.curve_view import curves
from watchkeeper.schema import Schema, label_text
from watchkeeper.server.views.asking import Page
from watchkeeper.window import moment

_LATE = 7
_PATIENCE = 0.15
"""Seconds after which no further window is read for one answer."""
_PARTS = ("confusion", "calibration", "curves", "classes", "errors", "lists")


def outcome(page: Page) -> dict[str, Any]:
    """Return the outcomes of the last seven windows with labels, of the version that is drawn there."""
    asking = page.asking
    _, versions = page.model()
    labelled = [span for span in page.overview.spans(versions, asking.stage, asking.every) if span.labelled]
    own = [span for span in labelled if span.version == labelled[-1].version][-_LATE:]
    version = next((v for v in versions if own and v.id == own[-1].version), None)
    schema = version.schema if version is not None else None
    read = _read(page, version, own) if version is not None and version.reference is not None else []
    shown = own[len(own) - len(read) :] if read else own
    return page.head("outcome") | {
        "version": version.name if version is not None else None,
        "zone": schema.zone if schema is not None else None,
        "task": schema.task if schema is not None else None,
        "positive": _positive(schema),
        "count": len(shown), "labelled": sum(span.labelled for span in shown),
        "whole": len(shown) == len(own),
        "span": {"start": _iso(shown[0].start), "end": _iso(shown[-1].stop)} if shown else None,
        "has_reference": version is not None and version.reference is not None,
        **_parts(version, [profile for profile in read if profile is not None]),
    }  # fmt: skip


def _read(page: Page, version: Version, spans: Sequence[Span]) -> list[Profile | None]:
    """Return the outcomes of windows, from the last one back as far as the time allows; whoever asks again is told more."""
    end, found = time.monotonic() + _PATIENCE, list[Profile | None]()
    for span in reversed(spans):
        found.insert(0, page.overview.outcomes_in(version, page.asking.stage, span))
        if time.monotonic() > end:
            break
    return found


def _positive(schema: Schema | None) -> str | None:
    return None if schema is None or schema.positive is None else label_text(schema.positive)


def _iso(at: int) -> str:
    return moment(at).isoformat()


def _parts(version: Version | None, profiles: list[Profile]) -> dict[str, Any]:
    if version is None or version.reference is None or not profiles:
        return dict.fromkeys(_PARTS)
    before, current = version.reference, merge(profiles)
    return {
        "confusion": outcome_view.confusion(before, current), "calibration": outcome_view.calibration(before, current),
        "curves": curves(before, current), "classes": outcome_view.classes(before, current),
        "errors": outcome_view.errors(before, current), "lists": outcome_view.lists(before, current),
    }  # fmt: skip
