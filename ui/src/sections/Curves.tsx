import { useMemo, useRef } from "react";
import { extent } from "../base/extent";
import { count, fixed, interval, percent, short } from "../base/format";
import type { Cell, Table } from "../base/save";
import { useChoice } from "../base/state";
import { CurveChart } from "../charts/CurveChart";
import type { Axis, Curves as Drawn, Place, Trace } from "../charts/curve";
import type { ChartHandle } from "../charts/EChart";
import { Figure, Legend } from "../charts/Figure";
import { Tabs } from "../charts/Tabs";
import type { CompareView, MetricRow, Points, SideCurves } from "../view";
import { Section } from "./Section";

const SIDES = ["reference", "current"] as const;
type Sides = Record<(typeof SIDES)[number], SideCurves>;
const KEY = (
  <Legend
    items={[
      ["reference", "reference"],
      ["current", "current"],
    ]}
  />
);
const SHARE: Omit<Axis, "title"> = { min: 0, max: 1, show: (n) => percent(n, 0) };
const PLAIN: Omit<Axis, "title"> = { min: 0, max: 1, show: (n) => fixed(n, 1) };

/** One curve: which arrays of which part are drawn, and its axes. */
interface Kind {
  name: string;
  part: "roc" | "precision_recall" | "lift" | "threshold";
  x: string;
  y: string;
  band: [string, string] | null;
  titles: [string, string];
  shares: boolean;
  note: string;
}

const KINDS: Kind[] = [
  {
    name: "ROC", part: "roc", x: "false_positive_rate", y: "true_positive_rate", band: ["low", "high"], shares: true,
    titles: ["negatives called positive", "positives found"],
    note: "The nearer the upper left corner, the better; on the dashed line a model guesses.",
  },
  {
    name: "Precision–recall", part: "precision_recall", x: "recall", y: "precision", band: ["low", "high"], shares: true,
    titles: ["recall: positives found", "precision: of those called positive, truly so"],
    note: "The nearer the upper right corner, the better. At the right end all rows are called positive: precision is then the share of positives.",
  },
  {
    name: "Gain", part: "lift", x: "selected", y: "gain", band: ["low", "high"], shares: true,
    titles: ["rows taken, highest scores first", "positives among them"],
    note: "How many of the positives are found by working through the highest scores first; on the dashed line the order is chance.",
  },
  {
    name: "Lift", part: "lift", x: "selected", y: "lift", band: null, shares: false,
    titles: ["rows taken, highest scores first", "times as many positives as by chance"],
    note: "How many times denser positives are among the rows taken than among all; 1 is chance.",
  },
]; // prettier-ignore
const OVER: Kind[] = [
  { name: "F1", part: "threshold", x: "threshold", y: "f1", band: null, shares: false, titles: ["threshold", "F1"], note: "" },
  { name: "Precision", part: "threshold", x: "threshold", y: "precision", band: ["precision_low", "precision_high"], shares: true, titles: ["threshold", "precision"], note: "" },
  { name: "Recall", part: "threshold", x: "threshold", y: "recall", band: ["recall_low", "recall_high"], shares: true, titles: ["threshold", "recall"], note: "" },
]; // prettier-ignore

const arrays = (side: SideCurves, part: Kind["part"]) => side[part] as unknown as Record<string, Points> | undefined;

function traceOf(sides: Sides, side: (typeof SIDES)[number], kind: Kind): Trace | null {
  const found = arrays(sides[side], kind.part);
  const n = sides[side][kind.part]?.n ?? 0;
  const [xs, ys] = [found?.[kind.x], found?.[kind.y]];
  if (!found || !xs || !ys) return null;
  const kept = xs.flatMap((x, i) => (x !== null && ys[i] != null ? [i] : []));
  const pick = (name: string) => kept.map((i) => found[name]?.[i] ?? null);
  const [low, high] = kind.band ? kind.band.map(pick) : [[], []];
  const show = (value: number | null | undefined) => (kind.shares ? percent(value ?? null) : fixed(value ?? null, 3));
  const named = (name: string, i: number) => `${name.replaceAll("_", " ")} ${fixed(found[name]?.[i] ?? null, 3)}`;
  const say = (point: number): string[] => {
    const i = kept[point] ?? 0;
    const threshold = found.threshold?.[i];
    const share = found.selected?.[i] ?? null;
    const limits = kind.band ? kind.band.map((name) => found[name]?.[i] ?? null) : [null, null];
    const span = limits[0] != null && limits[1] != null ? ` (${show(limits[0])} to ${show(limits[1])})` : "";
    const others = kind.part === "threshold" ? ["precision", "recall", "f1"].filter((name) => name !== kind.y) : [];
    return [
      threshold == null ? "nothing called positive" : `threshold ${fixed(threshold, 3)}`,
      ...(kind.x === "threshold" ? [] : [`${kind.titles[0]}: ${percent(xs[i] ?? null)}`]),
      `${kind.titles[1]}: ${show(ys[i])}${span}`,
      ...others.map((name) => named(name, i)),
      share === null ? `n = ${count(n)}` : `selects ${count(Math.round(share * n))} of n = ${count(n)}`,
    ];
  };
  return { side, x: kept.map((i) => xs[i] ?? 0), y: kept.map((i) => ys[i] ?? null), low, high, say };
}

function tableOf(sides: Sides, part: Kind["part"]): Table {
  const names = Object.entries(sides.reference[part] ?? {}).flatMap(([name, value]) => (Array.isArray(value) ? [name] : []));
  const rows = SIDES.flatMap((side) => {
    const found = arrays(sides[side], part);
    const size = found?.threshold?.length ?? 0;
    return Array.from({ length: size }, (_, i): Cell[] => [side, ...names.map((name) => found?.[name]?.[i] ?? null)]);
  });
  return { header: ["side", ...names], rows };
}

const places = (sides: Sides, [min, max]: [number, number]): Place[] =>
  SIDES.flatMap((side) => {
    const best = sides[side].best_f1;
    return best?.threshold == null ? [] : [{ side, at: best.threshold, low: best.low ?? min, high: best.high ?? max }];
  });

/** The dashed line of a model that guesses, where there is one line for both sides. */
const CHANCE: Record<string, [number, number][]> = {
  ROC: [[0, 0], [1, 1]],
  Gain: [[0, 0], [1, 1]],
  Lift: [[0, 1], [1, 1]],
}; // prettier-ignore

function drawingOf(sides: Sides, kind: Kind): Drawn {
  const traces = SIDES.flatMap((side) => traceOf(sides, side, kind) ?? []);
  const xs: [number, number] = kind.x === "threshold" ? (extent(traces.flatMap((t) => t.x)) ?? [0, 1]) : [0, 1];
  const most = Math.ceil(extent(traces.flatMap((t) => t.y.filter((v) => v !== null)))?.[1] ?? 1);
  const probable = xs[0] >= 0 && xs[1] <= 1;
  const x: Axis = kind.x !== "threshold" ? { title: kind.titles[0], ...SHARE } : { title: kind.titles[0], min: probable ? 0 : xs[0], max: probable ? 1 : xs[1], show: (n) => (probable ? fixed(n, 1) : short(n, 2)) };
  const y: Axis = kind.y === "lift" ? { title: kind.titles[1], min: 0, max: Math.max(2, most), show: (n) => `${short(n, 2)}×` } : { title: kind.titles[1], ...(kind.shares ? SHARE : PLAIN) };
  return { traces, x, y, chance: CHANCE[kind.name], places: kind.part === "threshold" ? places(sides, [x.min, x.max]) : [] };
}

function Shown({ sides, kinds, choice, title, note, spoken }: { sides: Sides; kinds: Kind[]; choice: string; title: string; note: (kind: Kind) => string; spoken: (kind: Kind) => string }) {
  const names = useMemo(() => kinds.map((kind) => kind.name), [kinds]);
  const [name, setName] = useChoice(choice, names[0] ?? "", names);
  const kind = kinds.find((one) => one.name === name) ?? kinds[0];
  const chart = useRef<ChartHandle>(null);
  const curves = useMemo(() => kind && drawingOf(sides, kind), [sides, kind]);
  if (!kind || !curves) return null;
  const full = `${kind.name} ${title}`;
  return (
    <Figure title={full} hint={KEY} csv={() => tableOf(sides, kind.part)} png={() => chart.current?.png(full)}>
      <Tabs label="curve" value={name} options={names.map((one) => [one, one])} onChange={setName} />
      <CurveChart curves={curves} label={`${full}. ${spoken(kind)}`} handle={chart} />
      <p className="note">{note(kind)}</p>
    </Figure>
  );
}

const rangeText = (best: NonNullable<SideCurves["best_f1"]>) =>
  best.low === null || best.high === null ? "" : ` (${interval(best.low, best.high, 2)} do as well)`;

/** What F1 a threshold gives on a side: that of the nearest point that is drawn. */
function f1At(side: SideCurves, threshold: number): number | null {
  const found = side.threshold;
  if (!found) return null;
  const known = found.threshold.flatMap((t, i) => (t === null || found.f1[i] == null ? [] : [[Math.abs(t - threshold), found.f1[i]]] as [number, number][]));
  return known.sort((a, b) => a[0] - b[0])[0]?.[1] ?? null;
}

/** Best thresholds in a sentence or two: whether the one that was best still is. */
export function thresholdWords({ reference, current }: Sides): string {
  const [before, after] = [reference.best_f1, current.best_f1];
  if (before?.threshold == null || after?.threshold == null) return "";
  const first = `F1 was highest, ${fixed(before.f1, 3)}, at a threshold of ${fixed(before.threshold, 2)}${rangeText(before)}; now it is highest, ${fixed(after.f1, 3)}, at ${fixed(after.threshold, 2)}${rangeText(after)}.`;
  const holds = (after.low ?? -Infinity) <= before.threshold && before.threshold <= (after.high ?? Infinity);
  const then = f1At(current, before.threshold);
  if (holds) return `${first} The old threshold is as good as any.`;
  return `${first} The old threshold now gives ${fixed(then, 3)}.`;
}

function areas(rows: MetricRow[], metric: string): string {
  const row = rows.find((one) => one.metric === metric);
  return row?.reference?.value == null || row.current?.value == null
    ? ""
    : `${row.title} ${fixed(row.reference.value, 3)} in the reference, ${fixed(row.current.value, 3)} now.`;
}

export function Curves({ view }: { view: Pick<CompareView, "curves" | "performance"> }) {
  const sides = view.curves;
  const kinds = useMemo(() => KINDS.filter((kind) => sides?.reference[kind.part] && sides.current[kind.part]), [sides]);
  if (!sides || !kinds.length) return null;
  const said = thresholdWords(sides);
  const spoken = (kind: Kind) => (kind.part === "roc" ? areas(view.performance, "roc_auc") : kind.part === "precision_recall" ? areas(view.performance, "average_precision") : "");
  return (
    <Section id="curves" title="Curves" lead={said || "What each threshold of the score would give."}>
      <div className="pair">
        <Shown sides={sides} kinds={kinds} choice="curve" title="curve" note={(kind) => `${spoken(kind)} ${kind.note}`.trim()} spoken={spoken} />
        {sides.reference.threshold && sides.current.threshold && (
          <Shown
            sides={sides}
            kinds={OVER}
            choice="over"
            title="by threshold"
            note={() => "Dashed: the threshold with the highest F1, chosen on these very rows, and around it those that the rows cannot tell from it."}
            spoken={() => said}
          />
        )}
      </div>
    </Section>
  );
}
