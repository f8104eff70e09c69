/** How often what was predicted came true, and below it how many rows had each score. */
import type { Ref } from "react";
import { count, fixed } from "../base/format";
import type { CalibrationBin } from "../view";

export const RELIABILITY_HEIGHT = 380;
const [TOP, PLOT, GAP, BARS] = [8, 260, 22, 56];
const TICKS = [0, 0.25, 0.5, 0.75, 1];

interface Sides {
  reference: CalibrationBin[];
  current: CalibrationBin[];
}
const NAMES = ["reference", "current"] as const;
const percent = (value: number) => `${(value * 100).toFixed(2)}%`;
const down = (value: number) => TOP + PLOT * (1 - value);

const said = (side: string, bin: CalibrationBin) =>
  `${side}, scores ${fixed(bin.lower, 2)} to ${fixed(bin.upper, 2)}\n` +
  (bin.rate === null
    ? "not enough data"
    : `came true ${fixed(bin.rate, 3)}${bin.low === null ? "" : ` (${fixed(bin.low, 3)} to ${fixed(bin.high, 3)})`}\nmean score ${fixed(bin.score, 3)}`) +
  `\nn = ${count(bin.n)}`;

function Grid() {
  return (
    <>
      {TICKS.map((tick) => (
        <line key={tick} x1="0" x2="100%" y1={down(tick)} y2={down(tick)} stroke="var(--line)" />
      ))}
      <line x1="0" y1={down(0)} x2="100%" y2={down(1)} stroke="var(--faint)" strokeDasharray="3 3" />
    </>
  );
}

function SideMarks({ bins, side }: { bins: CalibrationBin[]; side: (typeof NAMES)[number] }) {
  const colour = `var(--${side})`;
  const known = bins.filter((bin) => bin.score !== null && bin.rate !== null);
  return (
    <>
      {known.slice(1).map((bin, i) => {
        const before = known[i];
        return (
          before && (
            <line
              key={bin.lower}
              x1={percent(before.score ?? 0)}
              y1={down(before.rate ?? 0)}
              x2={percent(bin.score ?? 0)}
              y2={down(bin.rate ?? 0)}
              stroke={colour}
              strokeWidth={side === "current" ? 2 : 1.5}
              opacity="0.7"
            />
          )
        );
      })}
      {known.map((bin) => (
        <g key={bin.lower} data-tip={said(side, bin)}>
          {bin.low !== null && bin.high !== null && (
            <line
              x1={percent(bin.score ?? 0)}
              x2={percent(bin.score ?? 0)}
              y1={down(bin.low)}
              y2={down(bin.high)}
              stroke={colour}
              strokeWidth="2"
              opacity="0.6"
            />
          )}
          <circle
            cx={percent(bin.score ?? 0)}
            cy={down(bin.rate ?? 0)}
            r={side === "current" ? 4.5 : 4}
            fill={colour}
            stroke="var(--card)"
            strokeWidth="1.5"
          />
          <circle cx={percent(bin.score ?? 0)} cy={down(bin.rate ?? 0)} r="11" fill="transparent" />
        </g>
      ))}
    </>
  );
}

/** Shares of the rows on each side; the square root keeps the rare high scores in sight. */
function Histogram({ sides }: { sides: Sides }) {
  const totals = NAMES.map((name) => sides[name].reduce((sum, bin) => sum + bin.n, 0) || 1);
  const most = Math.max(...NAMES.flatMap((name, s) => sides[name].map((bin) => bin.n / (totals[s] ?? 1))), 1e-9);
  const base = TOP + PLOT + GAP + BARS;
  return NAMES.flatMap((name, s) =>
    sides[name].map((bin) => {
      const height = BARS * Math.sqrt(bin.n / (totals[s] ?? 1) / most);
      const width = (bin.upper - bin.lower) * 0.42;
      return (
        <rect
          key={name + bin.lower}
          x={percent(bin.lower + (bin.upper - bin.lower) * 0.06 + s * width)}
          width={percent(width)}
          y={base - height}
          height={height}
          fill={`var(--${name})`}
          opacity={s ? 0.9 : 0.6}
          data-tip={said(name, bin)}
        />
      );
    }),
  );
}

export function Reliability({ sides, picture, label }: { sides: Sides; picture: Ref<SVGSVGElement>; label: string }) {
  const base = TOP + PLOT + GAP + BARS;
  return (
    <svg ref={picture} width="100%" height={RELIABILITY_HEIGHT} role="img" aria-label={label} className="reliability">
      <g fontSize="11" fill="var(--soft)">
        {TICKS.map((tick) => (
          <text key={tick} x="7.5%" y={down(tick) + 4} textAnchor="end">
            {tick}
          </text>
        ))}
        <text x="7.5%" y={base} textAnchor="end">
          rows
        </text>
      </g>
      <svg x="9.5%" y="0" width="87%" height={RELIABILITY_HEIGHT} overflow="visible">
        <Grid />
        {NAMES.map((name) => (
          <SideMarks key={name} bins={sides[name]} side={name} />
        ))}
        <Histogram sides={sides} />
        <line x1="0" x2="100%" y1={base + 0.5} y2={base + 0.5} stroke="var(--line)" />
        <g fontSize="11" fill="var(--soft)">
          {TICKS.map((tick) => (
            <text key={tick} x={percent(tick)} y={base + 16} textAnchor="middle">
              {tick}
            </text>
          ))}
          <text x="50%" y={base + 32} textAnchor="middle">
            score
          </text>
        </g>
      </svg>
    </svg>
  );
}
