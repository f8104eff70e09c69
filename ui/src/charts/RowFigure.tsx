/** Rows of marks as one picture with its words, for saving what the page shows as a table. */
import type { ReactNode } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { savePng, svgAddress } from "../base/save";

export interface PictureRow {
  label: string;
  marks: ReactNode;
  height: number;
  text: string;
}

const [LABEL, PLOT, TEXT, GAP] = [250, 420, 300, 16];
const WIDTH = LABEL + PLOT + TEXT + 2 * GAP;
const AXIS = 18;

const clipped = (text: string) => (text.length > 34 ? `${text.slice(0, 33)}…` : text);

function Row({ row, y }: { row: PictureRow; y: number }) {
  const middle = y + row.height / 2 + 4;
  return (
    <>
      <text x="0" y={middle} fontSize="12" fill="var(--ink)">
        {clipped(row.label)}
      </text>
      <svg x={LABEL + GAP} y={y} width={PLOT} height={row.height} overflow="visible">
        {row.marks}
      </svg>
      <text x={LABEL + PLOT + 2 * GAP} y={middle} fontSize="12" fill="var(--soft)">
        {row.text}
      </text>
    </>
  );
}

function Picture({ rows, foot }: { rows: PictureRow[]; foot: ReactNode }) {
  let y = 0;
  const placed = rows.map((row) => {
    const here = y;
    y += row.height + 4;
    return <Row key={here} row={row} y={here} />;
  });
  return (
    <svg>
      {placed}
      <svg x={LABEL + GAP} y={y} width={PLOT} height={AXIS} overflow="visible">
        {foot}
      </svg>
    </svg>
  );
}

export async function saveRows(title: string, rows: PictureRow[], foot: ReactNode = null): Promise<void> {
  const holder = document.createElement("div");
  const root = createRoot(holder);
  flushSync(() => root.render(<Picture rows={rows} foot={foot} />));
  const svg = holder.querySelector("svg");
  const height = rows.reduce((sum, row) => sum + row.height + 4, AXIS);
  if (svg) await savePng(title, svgAddress(svg, WIDTH, height), WIDTH, height);
  root.unmount();
}
