"""What a page asks for, and by whom: the words behind the question mark, and what a document may need to answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.keys import Key
from watchkeeper.pipeline.overview import Overview
from watchkeeper.pipeline.values import Every, Target
from watchkeeper.server.problems import Problem
from watchkeeper.server.queries import Asked, Moment, Name, Stage

Source = Literal["realised", "estimated"]


class Asking(Asked):
    """Which part of a page; each page reads what it needs of it."""

    model: Name | None = Field(None, description="The model's name.")
    environment: Name = Field("production", description="The environment in which it runs.")
    version: Name | None = Field(None, description="Of this version only; as served where absent.")
    compare: Name | None = Field(None, description="Another version, to be drawn beside it.")
    stage: Stage = Field("serving", description="Of predictions that were served, or only compared.")
    every: Every = Field("day", description="Of windows that last so long.")
    segment: Name | None = Field(None, description="Of this segment, column=value.")
    metric: Name | None = Field(None, description="Of this metric.")
    column: Name | None = Field(None, description="Of this column.")
    start: Moment | None = Field(None, description="From here on.")
    end: Moment | None = Field(None, description="Before this.")
    id: int | None = Field(None, ge=1, le=2**53, description="The number of an incident.")
    state: Name | None = Field(None, description="Incidents of this state.")


@dataclass(frozen=True, slots=True)
class Page:
    """One question: the pipeline, who asks, and what."""

    pipeline: Any
    key: Key
    asking: Asking

    @property
    def overview(self) -> Overview:
        """The reader of series by window."""
        return Overview(self.pipeline.database, self.pipeline.catalog)

    @property
    def target(self) -> Target:
        """Which model is meant; 422 where none was named."""
        if self.asking.model is None:
            raise Problem(422, "This page is of one model: name it, as in ?model=late-flights.")
        return Target(
            self.key.project, self.asking.model, self.asking.environment, self.asking.version or "", self.asking.stage
        )

    def opening(self, model: Model) -> frozenset[str]:
        """Return the monitors of a model whose findings open incidents; those of the others only explain."""
        told = self.pipeline.monitors(Target(model.project, model.name, model.environment))
        found = told["document"].get("monitors", []) if told is not None else []
        return frozenset(monitor["name"] for monitor in found if monitor.get("role", "incident") == "incident")

    def model(self) -> tuple[Model, list[Version]]:
        """Return the model that is meant with the versions that are drawn: all, or the one that was named."""
        target = self.target
        model = self.pipeline.catalog.model(target)
        if target.version:
            return model, [self.pipeline.catalog.version(target)]
        return model, self.pipeline.catalog.versions_of(model)

    def head(self, page: str) -> dict[str, Any]:
        """Return how each document begins."""
        me = {"name": self.key.name, "role": self.key.role, "project": self.key.project}
        return {"format": "watchkeeper.live/1", "page": page, "me": me}
