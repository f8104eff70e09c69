"""What a profile's outcomes say, in a terminal: the report by class, and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from watchkeeper.profiles.profile import Profile

CURVES = ("roc", "precision_recall", "lift", "threshold", "calibration", "value")
_POINTS = 25


def show_classes(profile: Profile, as_json: bool) -> None:
    """Print precision, recall and F1 by class."""
    from watchkeeper.metrics.class_report import classification_report

    report = classification_report(profile)
    if as_json:
        show_json(report.to_dict())
    else:
        click.echo(str(report))


def show_curve(profile: Profile, name: str, options: dict[str, Any], as_json: bool) -> None:
    """Print a curve: all points as JSON, some 25 of them as a table."""
    curve = _curve(profile, name, options)
    if as_json:
        show_json(curve.to_dict())
        return
    rows = curve.table().to_pylist()
    step = max((len(rows) - 1) / (_POINTS - 1), 1.0)
    places = sorted({round(k * step) for k in range(_POINTS)} & set(range(len(rows))))
    shown = [{key: f"{value:.4g}" for key, value in rows[place].items()} for place in places]
    show_table(shown, tuple(rows[0]), "No points.")
    if name == "value":
        best = curve.best_value
        click.echo(
            f"Best: {best.value:.4g} a row ({best.low:.4g} to {best.high:.4g}) at a score of {curve.best_threshold:.4g}; "
            f"not told from {curve.best_low:.4g} to {curve.best_high:.4g}."
        )
    click.echo(f"{len(places)} of {len(rows)} points, from {curve.n:,} rows.{_unknown(curve)}", err=True)


def _unknown(curve: Any) -> str:
    """Say what is not known between points, where something is not."""
    between = getattr(curve, "resolution", 0.0)
    return f" Points are exact; at most {100 * between:.2g} % of the rows lie between two." if between else ""


def _curve(profile: Profile, name: str, options: dict[str, Any]) -> Any:
    from watchkeeper.metrics import curves, value

    if name == "calibration":
        return curves.calibration_curve(profile)
    if name == "value":
        return value.value_curve(profile, dict(map(_price, options["price"])), options["positive"])
    return getattr(curves, f"{name}_curve")(profile, options["positive"])


def _price(said: str) -> tuple[str, float]:
    name, _, number = said.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as error:
        raise click.UsageError(f"--price is NAME=NUMBER, such as true_positive=100; not {said!r}.") from error
