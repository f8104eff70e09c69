import { useState } from "react";
import { extent } from "../base/extent";
import { fixed, percent, short, words } from "../base/format";
import { floors, pText } from "../base/judge";
import { EffectBar, type Mark, type Span } from "../charts/Marks";
import { Chip } from "../charts/Chip";
import { Figure } from "../charts/Figure";
import { saveRows } from "../charts/RowFigure";
import type { ColumnRow, VerdictName } from "../view";

const HEIGHT = 22;
const FIRST = 16;
const COLOURS: Record<VerdictName, string> = {
  ok: "var(--ok)",
  warning: "var(--warning)",
  critical: "var(--critical)",
  "not enough data": "var(--unknown)",
};

interface Scale {
  place: (times: number) => number;
  span: Span;
  ticks: number[];
  root: boolean;
}

/** Effects differ by orders of magnitude; beyond ten floors a square root keeps the small ones readable. */
function scaleOf(columns: ColumnRow[]): Scale {
  const most = Math.max(2.4, extent(columns.map((c) => floors(c, c.effect_high ?? c.effect) ?? 0))?.[1] ?? 0);
  const root = most > 10;
  const place = root ? (times: number) => Math.sqrt(times) : (times: number) => times;
  const offered = root ? [1, 2, 5, 10, 20, 50, 100, 500] : most > 5 ? [1, 2, 4, 6, 8, 10] : [1, 2, 3, 4, 5];
  return { place, root, span: [0, place(most) * 1.02], ticks: offered.filter((tick) => tick <= most) };
}

/** Limits of a distance may reach below zero on paper; a bar begins at zero. */
function barOf(column: ColumnRow, { place }: Scale): Mark | null {
  const times = floors(column);
  if (times === null || column.effect === null) return null;
  const limits = [column.effect_low, column.effect_high].map((limit) =>
    limit === null || !column.floor ? null : place(Math.max(0, (limit * Math.sign(column.effect || 1)) / column.floor)),
  );
  const [low = null, high = null] = limits;
  return { role: "bar", value: place(times), low, high, colour: COLOURS[column.verdict ?? "ok"] };
}

const tipOf = (c: ColumnRow) =>
  c.effect === null
    ? `${c.name}\nnot enough data`
    : `${c.name}\n${words(c.metric)} ${fixed(c.effect, 3)}${c.effect_low === null ? "" : ` (${fixed(c.effect_low, 3)} to ${fixed(c.effect_high, 3)})`}\nsmallest that matters ${short(c.floor)}, p ${pText(c.p_value)}${c.importance == null ? "" : `\nimportance ${percent(c.importance)}`}\nn = ${c.reference.rows} → ${c.current.rows}`;
/** What the model makes of a column, as a small bar; empty where it is not known. */
function Weight({ column, most }: { column: ColumnRow; most: number }) {
  const part = column.importance;
  return (
    <span className={part == null ? "" : "weight"} data-tip={part == null ? undefined : `importance ${percent(part)}`} aria-hidden="true">
      {part != null && <i style={{ width: `${(part / most) * 100}%` }} />}
    </span>
  );
}

const timesText = (c: ColumnRow) => {
  const times = floors(c);
  return times === null ? "–" : `${times >= 10 ? times.toFixed(0) : times.toFixed(1)}×`;
};

function Row({ column, scale, most, onPick }: { column: ColumnRow; scale: Scale; most: number; onPick: (name: string) => void }) {
  const ticks = scale.ticks.map(scale.place);
  return (
    <li data-tip={tipOf(column)} className={column.effect === null ? "muted" : ""}>
      <button
        type="button"
        className="name"
        onClick={() => onPick(column.name)}
        aria-label={`${column.name}: ${timesText(column)}, ${column.verdict ?? "not judged"}. Find in the list`}
      >
        <bdi>{column.name}</bdi>
      </button>
      <svg width="100%" height={HEIGHT} aria-hidden="true">
        <EffectBar
          mark={barOf(column, scale)}
          span={scale.span}
          height={HEIGHT}
          ticks={scale.root ? ticks.map((t, i) => (scale.ticks[i] === 1 ? 1 : t)) : ticks}
        />
      </svg>
      <span className="number">{timesText(column)}</span>
      {most > 0 && <Weight column={column} most={most} />}
      <Chip verdict={column.verdict} />
    </li>
  );
}

export function Overview({ columns, onPick }: { columns: ColumnRow[]; onPick: (name: string) => void }) {
  const [all, setAll] = useState(false);
  const scale = scaleOf(columns);
  const most = extent(columns.map((c) => c.importance ?? 0))?.[1] ?? 0;
  const shown = all ? columns : columns.slice(0, FIRST);
  const title = "Change of each column";
  const csv = () => ({
    header: [
      "column",
      "kind",
      "role",
      "metric",
      "effect",
      "effect_low",
      "effect_high",
      "floor",
      "p_value",
      "alpha",
      "detectable",
      "importance",
      "verdict",
      "words",
    ],
    rows: columns.map((c) => [
      c.name,
      c.kind,
      c.role,
      c.metric,
      c.effect,
      c.effect_low,
      c.effect_high,
      c.floor,
      c.p_value,
      c.alpha,
      c.detectable,
      c.importance ?? null,
      c.verdict,
      c.words,
    ]),
  });
  const png = () =>
    saveRows(
      title,
      shown.map((c) => ({
        label: c.name,
        height: HEIGHT,
        text: `${timesText(c)}, ${c.verdict ?? "not judged"}`,
        marks: (
          <EffectBar mark={barOf(c, scale)} span={scale.span} height={HEIGHT} ticks={scale.ticks.map(scale.place)} />
        ),
      })),
      <text y="13" fontSize="11" fill="var(--soft)">
        in floors: the dashed line is the smallest effect that matters
      </text>,
    );
  return (
    <Figure
      title={title}
      csv={csv}
      png={png}
      hint={`in floors: 1× is the smallest effect that matters${scale.root ? ", square-root scale" : ""}`}
    >
      <div className={`overview${most > 0 ? " weighed" : ""}`}>
        <div className="axis" aria-hidden="true">
          <svg width="100%" height="16" overflow="visible">
            {scale.ticks.map((tick) => (
              <text
                key={tick}
                x={`${(scale.place(tick) / scale.span[1]) * 100}%`}
                y="12"
                textAnchor="middle"
                fontSize="11"
                fill="var(--soft)"
              >
                {tick}×
              </text>
            ))}
          </svg>
          {most > 0 && <span className="weight-head">importance</span>}
        </div>
        <ol>
          {shown.map((column) => (
            <Row key={column.name} column={column} scale={scale} most={most} onPick={onPick} />
          ))}
        </ol>
      </div>
      {columns.length > FIRST && (
        <button type="button" className="quiet" onClick={() => setAll(!all)}>
          {all ? "show fewer" : `show all ${columns.length} columns`}
        </button>
      )}
    </Figure>
  );
}
