import { useMemo, useRef } from "react";
import { extent } from "../base/extent";
import { count, fixed, interval, percent, short, sharedDecimals } from "../base/format";
import { savePng, svgAddress, type Cell } from "../base/save";
import { useChoice } from "../base/state";
import { CurveChart } from "../charts/CurveChart";
import { roundAxis, type Curves, type Trace } from "../charts/curve";
import { DistributionPlot } from "../charts/DistributionPlot";
import type { ChartHandle } from "../charts/EChart";
import { Figure, Legend } from "../charts/Figure";
import { Tabs } from "../charts/Tabs";
import type { CompareView, Errors as ErrorsView, Estimate, Lists as ListsView } from "../view";
import { Section } from "./Section";

const SIDES = ["reference", "current"] as const;
const KEY = (
  <Legend
    items={[
      ["reference", "reference"],
      ["current", "current"],
    ]}
  />
);

type Sides = Record<(typeof SIDES)[number], (Estimate | null)[]>;

/** One curve of estimates for each side, with bands, at places that stand equally far apart; what has no value is left out. */
function curvesOf(places: number[], sides: Sides, titles: [string, string], unit: string | null): Curves {
  const decimals = sharedDecimals([...sides.reference, ...sides.current]);
  const traces = SIDES.map((side): Trace => {
    const x = places.flatMap((_, i) => (sides[side][i]?.value == null ? [] : [i]));
    const of = (key: "value" | "low" | "high") => x.map((i) => sides[side][i]?.[key] ?? null);
    const say = (point: number) => {
      const i = x[point] ?? 0;
      const e = sides[side][i];
      const value = e?.value == null ? ["not enough data"] : [`${titles[1]} ${fixed(e.value, decimals, unit)} (${interval(e.low, e.high, decimals, unit)})`, `n = ${count(e.n)}`];
      return [`${titles[0]} ${places[i] ?? ""}`, ...value];
    };
    return { side, x, y: of("value"), low: of("low"), high: of("high"), say };
  });
  const drawn = traces.flatMap((t) => [...t.y, ...(t.low ?? []), ...(t.high ?? [])].filter((v) => v !== null));
  const [low, high] = extent(drawn) ?? [0, 1];
  const show = (n: number) => (unit === "share" ? percent(n, 0) : short(Number(n.toPrecision(6)), 3));
  return {
    traces,
    points: true,
    x: { title: titles[0], min: 0, max: Math.max(places.length - 1, 1), step: 1, show: (n) => String(places[n] ?? "") },
    y: { title: titles[1], ...roundAxis(low, high), show },
  };
}

const tableOf = (x: number[], name: string, sides: Sides) => ({
  header: ["side", name, "value", "low", "high", "n"],
  rows: SIDES.flatMap((side) => x.map((at, i): Cell[] => [side, at, sides[side][i]?.value ?? null, sides[side][i]?.low ?? null, sides[side][i]?.high ?? null, sides[side][i]?.n ?? null])),
});

const spokenOf = (x: number[], name: string, sides: Sides) =>
  SIDES.map((side) => `${side}: ${x.map((at, i) => `${fixed(sides[side][i]?.value ?? null, 3)} at ${name} ${at}`).join(", ")}`).join(". ");

function Sizes({ errors }: { errors: ErrorsView }) {
  const picture = useRef<SVGSVGElement>(null);
  const { distribution: d, quantiles } = errors;
  const title = "Distribution of errors";
  const middle = (side: (typeof SIDES)[number]) => quantiles[side].find((one) => one.q === 0.5)?.value ?? null;
  const png = () => {
    const svg = picture.current;
    return svg ? savePng(title, svgAddress(svg, svg.clientWidth, svg.clientHeight), svg.clientWidth, svg.clientHeight) : undefined;
  };
  const csv = () => ({
    header: ["from", "to", "reference", "current"],
    rows: d.reference.map((share, i): Cell[] => [d.edges[i] ?? null, d.edges[i + 1] ?? null, share, d.current[i] ?? null]),
  });
  return (
    <Figure title={title} hint={KEY} csv={csv} png={png}>
      <DistributionPlot distribution={d} picture={picture} label={`${title}: median ${short(middle("reference"), 3)} in the reference, ${short(middle("current"), 3)} now.`} />
      <p className="note">Error is target minus prediction: above 0 the model said too little. n = {errors.n.map(count).join(" → ")}.</p>
    </Figure>
  );
}

function Quantiles({ errors }: { errors: ErrorsView }) {
  const title = "Errors in numbers";
  const rows = errors.quantiles.reference.map(({ q, value }, i) => ({ q, before: value, after: errors.quantiles.current[i]?.value ?? null }));
  const width = (side: "before" | "after") => (rows[3]?.[side] ?? 0) - (rows[1]?.[side] ?? 0);
  return (
    <figure className="figure" aria-label={title}>
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <table className="quantiles">
        <thead>
          <tr>
            <th scope="col">of all errors, so many lie below</th>
            <th scope="col" className="number">
              reference
            </th>
            <th scope="col" className="number">
              current
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ q, before, after }) => (
            <tr key={q}>
              <th scope="row">{q === 0.5 ? "half (the median)" : percent(q, 0)}</th>
              <td className="number">{short(before, 3)}</td>
              <td className="number">{short(after, 3)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">the middle half spans</th>
            <td className="number">{short(width("before"), 3)}</td>
            <td className="number">{short(width("after"), 3)}</td>
          </tr>
        </tbody>
      </table>
    </figure>
  );
}

/** Errors by how far ahead was looked: the segments of the horizon, in their order. */
function Horizons({ view, horizon }: { view: Pick<CompareView, "segments">; horizon: string }) {
  const chart = useRef<ChartHandle>(null);
  const found = useMemo(() => {
    const own = view.segments.filter((s) => s.column === horizon && s.value !== "" && Number.isFinite(Number(s.value)));
    const ordered = own.toSorted((a, b) => Number(a.value) - Number(b.value));
    const row = (i: number) => ordered[i]?.metrics.find((m) => m.metric === "mae");
    const x = ordered.map((s) => Number(s.value));
    const sides = { reference: x.map((_, i) => row(i)?.reference ?? null), current: x.map((_, i) => row(i)?.current ?? null) };
    return { x, sides, curves: curvesOf(x, sides, [`horizon (${horizon})`, "mean absolute error"], null) };
  }, [view, horizon]);
  if (found.x.length < 2) return null;
  const title = "Error by horizon";
  return (
    <Figure title={title} hint={KEY} csv={() => tableOf(found.x, "horizon", found.sides)} png={() => chart.current?.png(title)}>
      <CurveChart curves={found.curves} label={`${title}. ${spokenOf(found.x, "horizon", found.sides)}.`} handle={chart} />
      <p className="note">Mean absolute error by how far ahead was looked, with 95 % intervals.</p>
    </Figure>
  );
}

export function Errors({ view }: { view: Pick<CompareView, "errors" | "segments"> }) {
  const { errors } = view;
  if (!errors) return null;
  return (
    <Section id="errors" title="Errors" lead="How far predictions were off, and to which side.">
      <div className="pair">
        <Sizes errors={errors} />
        <Quantiles errors={errors} />
      </div>
      {errors.horizon && (
        <div className="below">
          <Horizons view={view} horizon={errors.horizon} />
        </div>
      )}
    </Section>
  );
}

const LISTS = [
  ["ndcg", "NDCG", "The gain of the first rows relative to that of their best order: 1 is perfect."],
  ["hit_rate", "Hit rate", "How many lists have something relevant among their first rows."],
  ["recall_at_k", "Recall", "How much of what is relevant in a list is among its first rows."],
] as const;

function Cut({ lists }: { lists: ListsView }) {
  const chart = useRef<ChartHandle>(null);
  const [metric, setMetric] = useChoice("lists", "ndcg", LISTS.map(([key]) => key));
  const [key, name, note] = LISTS.find(([one]) => one === metric) ?? LISTS[0];
  const sides = useMemo(() => ({ reference: lists.reference[key], current: lists.current[key] }), [lists, key]);
  const curves = useMemo(() => curvesOf(lists.lengths, sides, ["rows of the list that count", name], key === "ndcg" ? null : "share"), [lists, sides, key, name]);
  const title = `${name} by length of the list`;
  return (
    <Figure title={title} hint={KEY} csv={() => tableOf(lists.lengths, "length", sides)} png={() => chart.current?.png(title)}>
      <Tabs label="metric" value={metric} options={LISTS.map(([one, text]) => [one, text] as const)} onChange={setMetric} />
      <CurveChart curves={curves} label={`${title}. ${spokenOf(lists.lengths, "length", sides)}.`} handle={chart} />
      <p className="note">{note}</p>
    </Figure>
  );
}

export function Lists({ view }: { view: Pick<CompareView, "lists"> }) {
  if (!view.lists) return null;
  return (
    <Section id="lists" title="Lists" lead="How good the first rows of the ranked lists are, by how many of them count.">
      <Cut lists={view.lists} />
    </Section>
  );
}
