/** A metric's row in words: for tooltips, for screen readers, for CSV. */
import type { Estimate, MetricRow } from "../view";
import { changeOf, changeSpan } from "./judge";
import { count, fixed, interval, percent, sharedDecimals, signed } from "./format";
import type { Cell } from "./save";

export const decimalsOf = (row: MetricRow) => sharedDecimals([row.reference, row.current, row.estimated, row.powered ?? null]);

export function estimateText(e: Estimate | null, decimals: number, unit: string | null): string {
  if (e?.value == null) return "not enough data";
  const span = interval(e.low, e.high, decimals, unit);
  return fixed(e.value, decimals, unit) + (span && ` (${e.approximate ? "about " : ""}${span})`);
}

function line(name: string, e: Estimate | null, row: MetricRow): string {
  if (e === null) return "";
  const covered = e.coverage === null ? "" : `, labels for ${percent(e.coverage, 0)}`;
  return `\n${name} ${estimateText(e, decimalsOf(row), row.unit)}, n = ${count(e.n)}${covered}`;
}

export function rowTip(row: MetricRow, title = row.title): string {
  return (
    title +
    line("reference", row.reference, row) +
    line("current", row.current, row) +
    line("estimated", row.estimated, row) +
    line("prediction-powered", row.powered ?? null, row)
  );
}

/** Whether labels refute the estimate: by how much what was realised departs from what was expected of the same rows. */
export function gapText(row: MetricRow): string {
  const { gap } = row;
  if (gap?.value == null || gap.low === null || gap.high === null) return "";
  const [decimals, inner] = [decimalsOf(row), row.unit === "share" ? row.unit : null];
  const span = `${signed(gap.low, decimals, inner)} to ${signed(gap.high, decimals, row.unit)}, n = ${count(gap.n)}`;
  if (gap.low <= 0 && gap.high >= 0) return `Labels do not show the estimate to be off (realised less expected: ${span}).`;
  return `Labels show the estimate to be off: realised is ${fixed(Math.abs(gap.value), decimals, row.unit)} ${gap.value < 0 ? "below" : "above"} what was expected of the same rows (${span}).`;
}

/** The same in a few characters, where it is beyond chance. */
export function offText(row: MetricRow): string {
  const { gap } = row;
  const certain = gap?.low != null && gap.high !== null && (gap.low > 0 || gap.high < 0);
  return gap && certain ? `labels: off by ${signed(gap.value, decimalsOf(row), row.unit)}` : "";
}

export interface ChangeText {
  change: string;
  span: string;
}

export function changeText(row: MetricRow, decimals = decimalsOf(row)): ChangeText {
  const change = changeOf(row);
  const limits = changeSpan(row);
  if (change === null) return { change: "–", span: "" };
  const inner = row.unit === "share" ? row.unit : null;
  const span = limits ? `${signed(limits[0], decimals, inner)} to ${signed(limits[1], decimals, row.unit)}` : "";
  return { change: signed(change, decimals, row.unit), span };
}

const CELLS = (side: string) => ["", "_low", "_high", "_n"].map((end) => side + end);
export const METRIC_HEADER = [
  "metric",
  ...CELLS("reference"),
  ...CELLS("current"),
  ...CELLS("estimated"),
  ...CELLS("powered"),
  ...CELLS("gap"),
  "effect",
  "effect_low",
  "effect_high",
  "floor",
  "p_value",
  "alpha",
  "detectable",
  "verdict",
  "words",
];

const cells = (e: Estimate | null | undefined): Cell[] => (e ? [e.value, e.low, e.high, e.n] : [null, null, null, null]);

export function metricCells(row: MetricRow): Cell[] {
  return [
    row.metric,
    ...cells(row.reference),
    ...cells(row.current),
    ...cells(row.estimated),
    ...cells(row.powered),
    ...cells(row.gap),
    row.effect,
    row.effect_low,
    row.effect_high,
    row.floor,
    row.p_value,
    row.alpha,
    row.detectable,
    row.verdict,
    row.words,
  ];
}
