/** A chart over time in its figure: title, legend, downloads; the room is there before the chart is, so nothing moves. */
import { useEffect, useRef, useState, type ComponentType, type ReactNode } from "react";
import { useNear } from "../../base/near";
import type { Table } from "../../base/save";
import type { ChartHandle } from "../../charts/EChart";
import { Figure } from "../../charts/Figure";
import type { MetricLines, Windows } from "../documents";
import { iso } from "./points";
import type { SeriesProps } from "./SeriesChart";

type Drawing = ComponentType<SeriesProps>;
let drawing: Drawing | null = null;
const load = () => import("./SeriesChart").then((found) => (drawing = found.default));

/** Fetches the drawing code while nothing else is to do, so that the first chart does not wait for it. */
export const prepareCharts = () => void load();

/** The drawing code, at once where it is there already: React's own way of waiting would take a third of a second more. */
function useDrawing(): Drawing | null {
  const [found, setFound] = useState(() => drawing);
  useEffect(() => {
    if (!found) void load().then((made) => setFound(() => made));
  }, [found]);
  return found;
}

export function seriesTable(windows: Windows, lines: MetricLines): Table {
  const sides = [lines.realised, lines.estimated, ...(lines.powered ? [lines.powered] : [])];
  return {
    header: ["start", "end", "rows", "labelled", "version", "realised", "realised_low", "realised_high", "realised_n", "when_sealed", "estimated", "estimated_low", "estimated_high", "estimated_n", ...(lines.powered ? ["powered", "powered_low", "powered_high", "powered_n"] : [])],
    rows: windows.start.map((start, i) => [
      iso(start), iso(windows.end[i] ?? start), windows.rows[i] ?? null, windows.labelled[i] ?? null, windows.versions[windows.version[i] ?? -1] ?? null,
      ...sides.flatMap((line, side) => [
        line?.value[i] ?? null, line?.low[i] ?? null, line?.high[i] ?? null, line?.n[i] ?? null, ...(side === 0 ? [line?.sealed?.[i] ?? null] : []),
      ]),
    ]),
  }; // prettier-ignore
}

export function Known({ lines, restated = false, compared }: { lines: MetricLines; restated?: boolean; compared?: string | undefined }) {
  return (
    <ul className="legend lines">
      {lines.realised && (
        <li>
          <i className="stroke current" />
          {lines.estimated ? "realised" : "measured"}
        </li>
      )}
      {lines.estimated && (
        <li>
          <i className="stroke estimate" />
          estimated without labels
        </li>
      )}
      {lines.powered && (
        <li>
          <svg width="16" height="12" aria-hidden="true">
            <path d="M8 1.5 12.5 6 8 10.5 3.5 6Z" fill="var(--estimate)" />
          </svg>
          from labels and scores
        </li>
      )}
      {compared && (
        <li>
          <i className="stroke reference" />
          <bdi>{compared}</bdi>
        </li>
      )}
      {restated && (
        <li>
          <i className="hollow" />
          when sealed
        </li>
      )}
    </ul>
  );
}

type Props = Omit<SeriesProps, "chart"> & { title: string; hint?: ReactNode; controls?: ReactNode; className?: string };

export function SeriesFigure({ title, hint, controls, className, ...rest }: Props) {
  const chart = useRef<ChartHandle>(null);
  const room = useRef<HTMLDivElement>(null);
  const near = useNear(room, true); // a chart far below the screen would only keep the one in sight waiting
  const Chart = useDrawing();
  const known = rest.lines.realised !== null || rest.lines.estimated !== null;
  return (
    <Figure
      title={title}
      hint={hint}
      controls={controls}
      className={className ?? ""}
      csv={() => seriesTable(rest.windows, rest.lines)}
      png={() => chart.current?.png(title)}
    >
      <div ref={room} className="chart-room" style={{ height: rest.height }}>
        {known && near && Chart && <Chart {...rest} chart={chart} />}
        {!known && <p className="nothing grey">not enough data</p>}
      </div>
    </Figure>
  );
}
