/** A metric over time, realised and estimated, with marks; loaded when a page first draws one, for it brings ECharts along. */
import { useEffect, useMemo, useState, type KeyboardEvent, type RefObject } from "react";
import { fixed, sharedDecimals } from "../../base/format";
import { useTheme } from "../../base/theme";
import { windowText, type Clock } from "../../base/time";
import { EChart, type ChartHandle } from "../../charts/EChart";
import { lines as tell } from "../../charts/timeline";
import type { MetricLines, TimeMark, Windows } from "../documents";
import { linesOption } from "./lines";
import { AS_SERVED } from "./served";
import { pointsOf, rowOf, type Shown } from "./points";
import { useZoom } from "./zoom";

export interface Compared {
  windows: Windows;
  lines: MetricLines;
  name: string;
}
export interface SeriesProps {
  windows: Windows;
  lines: MetricLines;
  marks?: TimeMark[];
  compared?: Compared | null;
  shown?: Shown;
  clock: Clock;
  height: number;
  volume?: boolean;
  slider?: boolean;
  name?: string;
  chart: RefObject<ChartHandle | null>;
}

const NO_MARKS: TimeMark[] = [];

function spokenOf({ lines, windows }: SeriesProps, decimals: number): string {
  const found = (lines.realised ?? lines.estimated)?.value.filter((v) => v !== null) ?? [];
  const unit = lines.unit;
  const range = found.length
    ? `${found.length} windows between ${fixed(Math.min(...found), decimals, unit)} and ${fixed(Math.max(...found), decimals, unit)}, last ${fixed(found.at(-1) ?? null, decimals, unit)}`
    : "not enough data";
  return `${lines.title} over ${windows.start.length} windows: ${range}. Arrow keys read window by window.`;
}

export default function SeriesChart(props: SeriesProps) {
  const { windows, lines, marks = NO_MARKS, compared, shown = "both", clock, height, volume = false, slider = false, name = "current", chart } = props;
  const { palette } = useTheme();
  const { zoom, setZoom } = useZoom();
  const [at, setAt] = useState<number | null>(null);
  const decimals = useMemo(
    () => sharedDecimals(pointsOf(windows, lines, "current").map((p) => p.metrics[lines.metric] ?? p.estimated[lines.metric] ?? null)),
    [windows, lines],
  );
  const narrow = useMemo(() => innerWidth < 640, []);
  const touch = useMemo(() => matchMedia("(pointer: coarse)").matches, []);
  const points = useMemo(
    () => [...(compared ? pointsOf(compared.windows, compared.lines, "reference", shown) : []), ...pointsOf(windows, lines, "current", shown)],
    [windows, lines, compared, shown],
  );
  const input = useMemo(
    () => ({
      points, metric: lines.metric, row: rowOf(lines), clock, palette, decimals, names: { current: name, reference: compared?.name ?? "reference" },
      windows, cut: lines.metric === "throughput", references: lines.references ?? null, served: name === AS_SERVED, realised: shown === "estimated" ? null : lines.realised, marks, height, volume, slider, touch, narrow,
    }), // prettier-ignore
    [points, lines, clock, palette, decimals, name, compared, windows, shown, marks, height, volume, slider, touch, narrow],
  );
  const made = useMemo(() => linesOption(input, getComputedStyle(document.body).fontFamily), [input]);
  const own = useMemo(() => points.filter((p) => p.side === "current"), [points]);
  useEffect(() => setAt(null), [windows]);
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? own.length - 1 : step === undefined ? null : Math.min(own.length - 1, Math.max(0, (at ?? own.length) + step));
    if (event.key === "Escape") chart.current?.point(null);
    if (to === null) return;
    event.preventDefault();
    setAt(to);
    chart.current?.point(made.middles[to] ?? null);
  };
  const here = at === null ? undefined : own[at];
  return (
    <div className="keyed" tabIndex={0} role="group" aria-label={spokenOf(props, decimals)} onKeyDown={onKey} onBlur={() => chart.current?.point(null)}>
      <EChart option={made.option} height={height} label={spokenOf(props, decimals)} handle={chart} zoom={zoom} onZoom={setZoom} />
      <p className="sr" aria-live="polite">
        {here && `${windowText(here.start, here.end, clock)}. ${tell(here, { ...input }).join(". ")}. ${made.spoken[at ?? 0] ?? ""}`}
      </p>
    </div>
  );
}
