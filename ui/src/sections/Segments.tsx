import { useMemo } from "react";
import { count, fixed, sharedDecimals } from "../base/format";
import { worsening } from "../base/judge";
import type { Cell } from "../base/save";
import { useChoice } from "../base/state";
import { METRIC_HEADER, changeText, metricCells, rowTip } from "../base/tell";
import { Chip } from "../charts/Chip";
import { Figure, Legend, Pick } from "../charts/Figure";
import { Marks, markOf, spanOf, type Span } from "../charts/Marks";
import { saveRows } from "../charts/RowFigure";
import type { CompareView, MetricRow, SegmentRow } from "../view";
import { Section } from "./Section";

const HEIGHT = 30;
const MOST = 40;

interface Line {
  segment: SegmentRow;
  row: MetricRow;
}

/** Those first that cost most, as the document has them; where no cost is known, the worst first. */
function linesOf(segments: SegmentRow[], column: string, metric: string): Line[] {
  const lines = segments
    .filter((segment) => segment.column === column)
    .flatMap((segment) => segment.metrics.filter((row) => row.metric === metric).map((row) => ({ segment, row })));
  if (lines.some(({ segment }) => segment.cost)) return lines;
  const rank = ({ row }: Line) => (row.verdict === "not enough data" ? -Infinity : (worsening(row) ?? -Infinity));
  return lines.toSorted((a, b) => rank(b) - rank(a) || b.segment.rows[1] - a.segment.rows[1]);
}

const marksOf = (row: MetricRow) => [
  ...markOf("reference", row.reference),
  ...markOf("current", row.current),
  ...markOf("estimate", row.estimated),
];
const nameOf = (value: string) => (value === "__other__" ? "all others" : value);

/** Intervals of judged rows set the scale, and the points of all: the interval of twenty rows would flatten all others. */
function spanFor(lines: Line[]): Span {
  const judged = lines.filter(({ row }) => row.verdict !== "not enough data");
  const points = lines.flatMap(({ row }) => marksOf(row)).map((mark) => ({ ...mark, low: mark.value, high: mark.value }));
  return spanOf([...(judged.length ? judged : lines).flatMap(({ row }) => marksOf(row)), ...points]);
}

function ticksIn([from, to]: Span): number[] {
  const rough = (to - from) / 4;
  const base = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * base).find((s) => s >= rough) ?? rough;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, i) => (first + i) * step);
}

function SegmentLine({ line, span, ticks, decimals }: { line: Line; span: Span; ticks: number[]; decimals: number }) {
  const { segment, row } = line;
  const { change, span: limits } = changeText(row, decimals);
  const tip = `${rowTip(row, `${segment.column} = ${nameOf(segment.value)}`)}\nrows ${count(segment.rows[0])} → ${count(segment.rows[1])}${segment.cost ? `\n${segment.cost.words}` : ""}`;
  const none = row.verdict === "not enough data";
  return (
    <tr className={none ? "muted" : ""} data-segment={segment.value}>
      <th scope="row" title={segment.value}>
        <bdi>{nameOf(segment.value)}</bdi>
      </th>
      <td className="number rows">{count(segment.rows[1])}</td>
      <td className="plot" data-tip={tip} tabIndex={0} role="img" aria-label={tip}>
        <svg width="100%" height={HEIGHT} aria-hidden="true">
          <Marks marks={marksOf(row)} span={span} height={HEIGHT} ticks={ticks} join />
        </svg>
      </td>
      <td className="number change">
        {change === "–" ? (
          "–"
        ) : (
          <>
            <small>{limits}</small>
            <b>{change}</b>
          </>
        )}
      </td>
      <td className="verdict">
        <Chip verdict={row.verdict} />
      </td>
    </tr>
  );
}

function pictureText(row: MetricRow, decimals: number): string {
  const { change, span } = changeText(row, decimals);
  const verdict = row.verdict ?? "not judged";
  return change === "–" ? verdict : `${change}${span && ` (${span})`}, ${verdict}`;
}

function Axis({ ticks, span, row }: { ticks: number[]; span: Span; row: MetricRow | undefined }) {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  const decimals = step > 0 ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) : 2;
  return (
    <svg width="100%" height="16" aria-hidden="true" overflow="visible">
      {ticks.map((tick) => (
        <text
          key={tick}
          x={`${((tick - span[0]) / (span[1] - span[0])) * 100}%`}
          y="12"
          textAnchor="middle"
          fontSize="11"
          fill="var(--soft)"
        >
          {fixed(tick, decimals, row?.unit)}
        </text>
      ))}
    </svg>
  );
}

function useOffer(view: CompareView) {
  const columns = useMemo(() => [...new Set(view.segments.map((s) => s.column))], [view]);
  const metrics = useMemo(
    () => [...new Map(view.segments.flatMap((s) => s.metrics).map((m) => [m.metric, m.title])).entries()],
    [view],
  );
  const names = useMemo(() => metrics.map(([name]) => name), [metrics]);
  return { columns, metrics, names };
}

export function Segments({ view }: { view: CompareView }) {
  const { columns, metrics, names } = useOffer(view);
  const main = view.main_metric && names.includes(view.main_metric) ? view.main_metric : (names[0] ?? "");
  const [column, setColumn] = useChoice("by", columns[0] ?? "", columns);
  const [metric, setMetric] = useChoice("segments", main, names);
  const lines = useMemo(() => linesOf(view.segments, column, metric), [view, column, metric]);
  if (!columns.length || !names.length) return null;
  const span = spanFor(lines);
  const ticks = ticksIn(span);
  const decimals = sharedDecimals(lines.flatMap(({ row }) => [row.reference, row.current]));
  const guessed = lines.some(({ row }) => row.estimated?.value != null);
  const sensitive = new Set(view.segments.filter((s) => s.sensitive).map((s) => s.column));
  const title = `${metrics.find(([name]) => name === metric)?.[1] ?? metric} by ${column}`;
  const csv = () => ({
    header: ["column", "value", "reference_rows", "current_rows", "sensitive", "cost", "cost_share", ...METRIC_HEADER],
    rows: lines.map(({ segment: s, row }): Cell[] => [
      ...[s.column, s.value, ...s.rows, s.sensitive, s.cost?.value ?? null, s.cost?.share ?? null],
      ...metricCells(row),
    ]),
  });
  const png = () =>
    saveRows(
      title,
      lines.slice(0, MOST).map(({ segment, row }) => ({
        label: nameOf(segment.value),
        height: HEIGHT,
        text: pictureText(row, decimals),
        marks: <Marks marks={marksOf(row)} span={span} height={HEIGHT} ticks={ticks} join />,
      })),
      <Axis ticks={ticks} span={span} row={lines[0]?.row} />,
    );
  return (
    <Section
      id="segments"
      title="Segments"
      lead="Where it got worse: reference above, current below it, then what was expected without labels; those first that cost most: their rows times by how much the loss rose. Scales follow the segments that can be judged."
    >
      <Figure
        title={title}
        csv={csv}
        png={png}
        hint={
          <Legend
            items={[
              ["reference", "reference"],
              ["current", "current"],
              ...(guessed ? ([["estimate", "estimated without labels"]] as [string, string][]) : []),
            ]}
          />
        }
        controls={<Pick label="metric" value={metric} options={metrics} onChange={setMetric} />}
      >
        <div className="tabs" role="group" aria-label="segment column">
          {columns.map((name) => (
            <button key={name} type="button" aria-pressed={name === column} onClick={() => setColumn(name)}>
              <bdi>{name}</bdi>
              {sensitive.has(name) && <span className="tag sensitive">sensitive</span>}
            </button>
          ))}
        </div>
        <div className="scroll">
          <table className="segments">
            <thead>
              <tr>
                <th scope="col">value</th>
                <th scope="col" className="number">
                  rows
                </th>
                <th scope="col" className="plot">
                  <Axis ticks={ticks} span={span} row={lines[0]?.row} />
                </th>
                <th scope="col" className="number change">
                  change
                </th>
                <th scope="col">verdict</th>
              </tr>
            </thead>
            <tbody>
              {lines.slice(0, MOST).map((line) => (
                <SegmentLine key={line.segment.value} line={line} span={span} ticks={ticks} decimals={decimals} />
              ))}
            </tbody>
          </table>
        </div>
        {lines.length > MOST && <p className="note">{lines.length - MOST} more segments are in the CSV.</p>}
      </Figure>
    </Section>
  );
}
