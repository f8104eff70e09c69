import { useMemo, useRef } from "react";
import { fixed, sharedDecimals, words } from "../base/format";
import type { Table } from "../base/save";
import { useChoice } from "../base/state";
import { useTheme } from "../base/theme";
import type { Clock } from "../base/time";
import { EChart, type ChartHandle } from "../charts/EChart";
import { Figure, Pick } from "../charts/Figure";
import { HEIGHT, timeOption } from "../charts/timeline";
import type { CompareView, TimePoint } from "../view";
import { Section } from "./Section";

function metricsOf(points: TimePoint[]): string[] {
  return [...new Set(points.flatMap((p) => [...Object.keys(p.metrics), ...Object.keys(p.estimated)]))];
}

function tableOf(points: TimePoint[], metric: string): Table {
  const header = [
    "side",
    "start",
    "end",
    "rows",
    "coverage",
    "value",
    "low",
    "high",
    "n",
    "estimated",
    "estimated_low",
    "estimated_high",
  ];
  const rows = points.map((p) => {
    const [real, guess] = [p.metrics[metric], p.estimated[metric]];
    return [
      p.side,
      p.start,
      p.end,
      p.n,
      p.coverage,
      real?.value ?? null,
      real?.low ?? null,
      real?.high ?? null,
      real?.n ?? null,
      guess?.value ?? null,
      guess?.low ?? null,
      guess?.high ?? null,
    ];
  });
  return { header, rows };
}

function spoken(points: TimePoint[], metric: string, title: string, decimals: number): string {
  const say = (side: TimePoint["side"]) => {
    const values = points
      .filter((p) => p.side === side)
      .map((p) => p.metrics[metric]?.value)
      .filter((v): v is number => v != null);
    return values.length
      ? `${side}: ${values.length} windows between ${fixed(Math.min(...values), decimals)} and ${fixed(Math.max(...values), decimals)}, last ${fixed(values.at(-1) ?? null, decimals)}`
      : `${side}: not enough data`;
  };
  return `${title} over time. ${say("reference")}. ${say("current")}.`;
}

function Key({ guessed }: { guessed: boolean }) {
  return (
    <ul className="legend lines">
      <li>
        <i className="stroke reference" />
        reference
      </li>
      <li>
        <i className="stroke current" />
        current
      </li>
      {guessed && (
        <li>
          <i className="stroke estimate" />
          estimated
        </li>
      )}
    </ul>
  );
}

export function Timeline({ view, clock }: { view: CompareView; clock: Clock }) {
  const { timeline: points } = view;
  const names = useMemo(() => metricsOf(points), [points]);
  const fallback = view.main_metric && names.includes(view.main_metric) ? view.main_metric : (names[0] ?? "");
  const [metric, setMetric] = useChoice("metric", fallback, names);
  const { palette } = useTheme();
  const chart = useRef<ChartHandle>(null);
  const row = view.performance.find((r) => r.metric === metric) ?? null;
  const title = row?.title ?? words(metric);
  const decimals = useMemo(
    () => sharedDecimals(points.map((p) => p.metrics[metric] ?? p.estimated[metric] ?? null)),
    [points, metric],
  );
  const option = useMemo(
    () => timeOption({ points, metric, row, clock, palette, decimals }, getComputedStyle(document.body).fontFamily),
    [points, metric, row, clock, palette, decimals],
  );
  if (!points.length || !names.length) return null;
  const label = (name: string) => view.performance.find((r) => r.metric === name)?.title ?? words(name);
  const known = points.some((p) => p.metrics[metric]?.value != null || p.estimated[metric]?.value != null);
  const guessed = points.some((p) => p.estimated[metric]?.value != null);
  return (
    <Section
      id="time"
      title="Over time"
      lead="Dotted: the whole reference, and around it what is too small to matter. Below: rows, the darker part with labels."
    >
      <Figure
        title={`${title} over time`}
        csv={() => tableOf(points, metric)}
        png={() => chart.current?.png(`${title} over time`)}
        hint={<Key guessed={guessed} />}
        controls={
          <Pick label="metric" value={metric} options={names.map((name) => [name, label(name)])} onChange={setMetric} />
        }
      >
        {known ? (
          <EChart option={option} height={HEIGHT} label={spoken(points, metric, title, decimals)} handle={chart} />
        ) : (
          <p className="nothing" style={{ height: HEIGHT }}>
            not enough data
          </p>
        )}
      </Figure>
    </Section>
  );
}
