/** Two confusion matrices as tiles: the count, and its share of the label's row as the depth of the colour. */
import type { Ref } from "react";
import { count, percent } from "../base/format";

export const MOST_CLASSES = 10;
interface Matrices {
  classes: string[];
  reference: number[][];
  current: number[][];
}

const [LABELS, TOP, BOTTOM] = [26, 44, 8];
const clipped = (text: string, most: number) =>
  [...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text;

export const confusionHeight = (classes: number) => TOP + BOTTOM + Math.min(classes, MOST_CLASSES) * tile(classes);
const tile = (classes: number) => Math.max(34, Math.min(160, Math.floor(320 / Math.min(classes, MOST_CLASSES))));

interface TileProps {
  n: number;
  share: number;
  colour: string;
  tip: string;
  x: number;
  y: number;
  width: number;
  height: number;
  small: boolean;
}

function Tile({ n, share, colour, tip, x, y, width, height, small }: TileProps) {
  const ink = share > 0.72 ? "var(--card)" : "var(--ink)";
  const middle = y + height / 2;
  return (
    <g data-tip={tip}>
      <rect
        x={`${x}%`}
        y={y + 1}
        width={`${width - 0.8}%`}
        height={height - 2}
        fill={colour}
        opacity={0.06 + 0.94 * share}
        rx="3"
      />
      <text
        x={`${x + width / 2 - 0.4}%`}
        y={small ? middle + 4 : middle - 2}
        textAnchor="middle"
        fontSize={small ? 11 : 15}
        fontWeight="600"
        fill={ink}
      >
        {small ? percent(share, 0) : count(n)}
      </text>
      {!small && (
        <text x={`${x + width / 2 - 0.4}%`} y={middle + 16} textAnchor="middle" fontSize="11.5" fill={ink}>
          {percent(share)}
        </text>
      )}
    </g>
  );
}

function Matrix({ counts, classes, side }: { counts: number[][]; classes: string[]; side: "reference" | "current" }) {
  const [width, height] = [100 / classes.length, tile(classes.length)];
  return (
    <>
      <text x="0" y="14" fontSize="12" fontWeight="600" fill={`var(--${side})`}>
        {side}
      </text>
      {classes.map((name, j) => (
        <text
          key={j}
          x={`${(j + 0.5) * width - 0.4}%`}
          y={TOP - 8}
          textAnchor="middle"
          fontSize="11"
          fill="var(--soft)"
        >
          {clipped(name, classes.length > 4 ? 6 : 16)}
        </text>
      ))}
      {classes.map((label, i) => {
        const row = counts[i] ?? [];
        const total = row.reduce((a, b) => a + b, 0);
        return classes.map((prediction, j) => {
          const n = row[j] ?? 0;
          const share = total ? n / total : 0;
          const tip = `${side}: labelled ${label}, predicted ${prediction}\n${count(n)} rows, ${percent(share)} of those labelled ${label}`;
          return (
            <Tile
              key={`${i}-${j}`}
              n={n}
              share={share}
              colour={`var(--${side})`}
              tip={tip}
              x={j * width}
              y={TOP + i * height}
              width={width}
              height={height}
              small={classes.length > 4}
            />
          );
        });
      })}
    </>
  );
}

export function Confusion({
  matrices,
  picture,
  label,
}: {
  matrices: Matrices;
  picture: Ref<SVGSVGElement>;
  label: string;
}) {
  const classes = matrices.classes.slice(0, MOST_CLASSES);
  const height = tile(classes.length);
  return (
    <svg ref={picture} width="100%" height={confusionHeight(classes.length)} role="img" aria-label={label}>
      {classes.map((name, i) => {
        const y = TOP + (i + 0.5) * height;
        return (
          <text
            key={i}
            x="14"
            y={y}
            textAnchor="middle"
            fontSize="11"
            fill="var(--soft)"
            transform={height > 60 ? `rotate(-90 14 ${y})` : undefined}
          >
            {clipped(name, height > 60 ? 16 : 5)}
          </text>
        );
      })}
      <svg x={LABELS} width="45%" height="100%" overflow="visible">
        <Matrix counts={matrices.reference} classes={classes} side="reference" />
      </svg>
      <svg x="53%" width="46.5%" height="100%" overflow="visible">
        <Matrix counts={matrices.current} classes={classes} side="current" />
      </svg>
    </svg>
  );
}
