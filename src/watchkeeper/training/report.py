"""The report of a run: show it in a notebook, save it as a page, or take it as plain values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from watchkeeper.errors import Unwritable
from watchkeeper.training.page.document import frame, page
from watchkeeper.training.summary import facts_of, heading, summary
from watchkeeper.training.verdict import RunVerdict, verdict_of
from watchkeeper.training.watching import Watching


class RunReport:
    """What is known of a run: losses, norms by layer, findings with advice, and what could not be looked for.

    In a notebook it shows itself as a page.

    Parameters
    ----------
    watching
        The run; what comes afterwards shows too.
    """

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    @property
    def verdict(self) -> RunVerdict:
        """The worst that was found: ``ok``, ``warning``, ``critical``, or ``not enough data``."""
        return verdict_of(self._watching)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as ``watchkeeper training check --json`` prints them."""
        return summary(self._watching)

    def facts(self) -> dict[str, Any]:
        """Return the last metrics and what was found, as :func:`watchkeeper.register_version` tells them to a server."""
        return facts_of(self._watching)

    def to_html(self) -> str:
        """Return one page that fetches nothing and runs no script."""
        return page(self._watching)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file.

        Raises
        ------
        Unwritable
            The file cannot be written.
        """
        try:
            Path(path).write_text(self.to_html(), encoding="utf-8")
        except OSError as error:
            raise Unwritable(str(path), error.strerror or str(error)) from error

    def _repr_html_(self) -> str:
        return frame(self._watching)

    def __repr__(self) -> str:
        return f"<report of {heading(self._watching)}>"
