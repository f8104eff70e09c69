/** Points with intervals on one line: positions are shares of the width, so nothing has to be measured. */
import { extent } from "../base/extent";
import type { Estimate } from "../view";

export type MarkRole = "reference" | "current" | "estimate" | "powered" | "bar";
export interface Mark {
  role: MarkRole;
  value: number;
  low: number | null;
  high: number | null;
  colour?: string;
}
export type Span = [number, number];

export function markOf(role: MarkRole, e: Estimate | null | undefined): Mark[] {
  return e?.value == null ? [] : [{ role, value: e.value, low: e.low, high: e.high }];
}

/** The span that holds every mark with its interval, and a little air. */
export function spanOf(marks: Mark[], air = 0.06): Span {
  const found = extent(marks.flatMap((m) => [m.value, m.low ?? m.value, m.high ?? m.value]));
  if (!found) return [0, 1];
  const [low, high] = found;
  const pad = (high - low) * air || Math.abs(high) * air || 0.5;
  return [low - pad, high + pad];
}

const percentIn =
  ([from, to]: Span) =>
  (value: number) =>
    `${(Math.min(1.02, Math.max(-0.02, (value - from) / (to - from))) * 100).toFixed(3)}%`;

const colourOf = (mark: Mark) => mark.colour ?? `var(--${mark.role === "powered" ? "estimate" : mark.role})`;

function Point({ mark, x, y }: { mark: Mark; x: string; y: number }) {
  if (mark.role === "estimate" || mark.role === "powered")
    return (
      <svg x={x} y={y} overflow="visible">
        <path d="M0-5 5 0 0 5-5 0Z" fill={mark.role === "powered" ? colourOf(mark) : "var(--card)"} stroke={colourOf(mark)} strokeWidth="1.5" />
      </svg>
    );
  return (
    <circle
      cx={x}
      cy={y}
      r={mark.role === "current" ? 5 : 4}
      fill={colourOf(mark)}
      stroke="var(--card)"
      strokeWidth="1.5"
    />
  );
}

function Whisker({ mark, at, y }: { mark: Mark; at: (value: number) => string; y: number }) {
  if (mark.low === null || mark.high === null) return null;
  const dash = mark.role === "estimate" ? "3 2" : undefined;
  return (
    <line
      x1={at(mark.low)}
      x2={at(mark.high)}
      y1={y}
      y2={y}
      stroke={colourOf(mark)}
      strokeWidth={mark.role === "current" ? 3 : 2}
      strokeDasharray={dash}
      opacity="0.75"
    />
  );
}

interface Props {
  marks: Mark[];
  span: Span;
  height: number;
  band?: Span | null;
  ticks?: number[];
  join?: boolean;
}

/** Rows of marks share the height: reference above, current below, the estimate lowest, so that intervals never hide each other. */
export function Marks({ marks, span, height, band, ticks = [], join = false }: Props) {
  const at = percentIn(span);
  const row = (i: number) => (height * (i + 1)) / (marks.length + 1);
  const [first, last] = [marks.find((m) => m.role === "reference"), marks.find((m) => m.role === "current")];
  return (
    <>
      {band && (
        <line
          x1={at(band[0])}
          x2={at(band[1])}
          y1={height / 2}
          y2={height / 2}
          stroke="var(--reference)"
          strokeWidth={height}
          opacity="0.13"
        />
      )}
      {ticks.map((tick) => (
        <line key={tick} x1={at(tick)} x2={at(tick)} y1="0" y2={height} stroke="var(--line)" />
      ))}
      {join && first && last && (
        <line
          x1={at(first.value)}
          y1={row(marks.indexOf(first))}
          x2={at(last.value)}
          y2={row(marks.indexOf(last))}
          stroke="var(--soft)"
          strokeWidth="1"
        />
      )}
      {marks.map((mark, i) => (
        <Whisker key={mark.role} mark={mark} at={at} y={row(i)} />
      ))}
      {marks.map((mark, i) => (
        <Point key={mark.role} mark={mark} x={at(mark.value)} y={row(i)} />
      ))}
    </>
  );
}

/** A bar from zero with its interval, for effects in units of their floor. */
export function EffectBar({
  mark,
  span,
  height,
  ticks,
}: {
  mark: Mark | null;
  span: Span;
  height: number;
  ticks: number[];
}) {
  const at = percentIn(span);
  return (
    <>
      {ticks.map((tick) => (
        <line
          key={tick}
          x1={at(tick)}
          x2={at(tick)}
          y1="0"
          y2={height}
          stroke={tick === 1 ? "var(--ink)" : "var(--line)"}
          strokeDasharray={tick === 1 ? "2 2" : undefined}
        />
      ))}
      {mark && (
        <rect
          x="0"
          y={height / 2 - 4.5}
          width={at(mark.value)}
          height="9"
          fill={colourOf(mark)}
          opacity="0.82"
          rx="1.5"
        />
      )}
      {mark?.low != null && mark.high != null && (
        <line
          x1={at(mark.low)}
          x2={at(mark.high)}
          y1={height / 2}
          y2={height / 2}
          stroke="var(--ink)"
          strokeWidth="1.25"
        />
      )}
    </>
  );
}
