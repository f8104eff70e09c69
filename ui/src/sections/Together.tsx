import { useState } from "react";
import { extent } from "../base/extent";
import { fixed, interval, short, words } from "../base/format";
import { floors, pText } from "../base/judge";
import type { Cell } from "../base/save";
import { Chip } from "../charts/Chip";
import { Evidence } from "../charts/Evidence";
import { Figure, Legend } from "../charts/Figure";
import { EffectBar, Marks, type Mark, type Span } from "../charts/Marks";
import { saveRows } from "../charts/RowFigure";
import type { Multivariate, VerdictName } from "../view";
import { Section } from "./Section";

type Check = Multivariate["checks"][number];
type Pair = Check["pairs"][number];
const HEIGHT = 24;
const MOST = 10;
const LEAST = 0.005; // what is less is as good as nothing
const FEWEST = 3;
const COLOURS: Record<VerdictName, string> = {
  ok: "var(--ok)",
  warning: "var(--warning)",
  critical: "var(--critical)",
  "not enough data": "var(--unknown)",
};

const DISTANCES: Record<string, string> = { wasserstein: "Wasserstein distance in standard deviations", jensen_shannon: "Jensen-Shannon distance" };

/** What the number is, for those who do not know the method. */
const MEANS: Record<string, string> = {
  classifier_drift: "how well a classifier tells current rows from those of the reference; 0.5 is chance",
  reconstruction_error: "how much worse the main directions of the reference describe current rows",
  correlation_change: "the largest change of a rank correlation between two columns",
  mmd: "a distance between the two clouds of rows",
};

function barOf(check: Check): Mark | null {
  const times = floors(check);
  if (times === null || check.effect === null) return null;
  const limit = (value: number | null) => (value === null || !check.floor ? null : Math.max(0, value) / check.floor);
  return { role: "bar", value: times, low: limit(check.effect_low), high: limit(check.effect_high), colour: COLOURS[check.verdict ?? "ok"] };
}

/** The interval of the value, where effects are values less those of chance. */
function spanText({ metric, value, effect, effect_low: low, effect_high: high }: Check): string {
  if (metric !== "classifier_drift" || value === null || effect === null || low === null || high === null) return "";
  return interval(low + value - effect, high + value - effect, 3);
}

function CheckRow({ check, span }: { check: Check; span: Span }) {
  const [open, setOpen] = useState(false);
  const times = floors(check);
  const said = `${check.title}: ${times === null ? "not enough data" : `${times.toFixed(1)} times the smallest that matters`}, ${check.verdict ?? "not judged"}`;
  return (
    <>
      <tr data-check={check.metric} className={check.effect === null ? "muted" : ""}>
        <th scope="row">
          <button type="button" className="expand" aria-expanded={open} onClick={() => setOpen(!open)}>
            {check.title}
          </button>
          <small>{MEANS[check.metric]}</small>
        </th>
        <td className="plot" data-tip={`${check.title}\n${check.words}`} tabIndex={0} role="img" aria-label={said}>
          <svg width="100%" height={HEIGHT} aria-hidden="true">
            <EffectBar mark={barOf(check)} span={span} height={HEIGHT} ticks={[1]} />
          </svg>
        </td>
        <td className="number" data-side="value">
          <b>{fixed(check.value, 3)}</b>
          <small>{spanText(check)}</small>
          <small>{times === null ? "" : `${times.toFixed(1)}× floor`}</small>
        </td>
        <td className="verdict">
          <Chip verdict={check.verdict} />
        </td>
      </tr>
      {open && (
        <tr className="more">
          <td colSpan={4}>
            <Evidence check={check} />
          </td>
        </tr>
      )}
    </>
  );
}

function Checks({ checks }: { checks: Check[] }) {
  const most = Math.max(2.4, extent(checks.map((c) => (c.floor && c.effect_high !== null ? c.effect_high / c.floor : (floors(c) ?? 0))))?.[1] ?? 0);
  const span: Span = [0, most * 1.02];
  const title = "Tests over all columns";
  const csv = () => ({
    header: ["metric", "value", "effect", "effect_low", "effect_high", "floor", "p_value", "alpha", "detectable", "verdict", "words"],
    rows: checks.map((c): Cell[] => [c.metric, c.value, c.effect, c.effect_low, c.effect_high, c.floor, c.p_value, c.alpha, c.detectable, c.verdict, c.words]),
  });
  const png = () =>
    saveRows(
      title,
      checks.map((c) => ({ label: c.title, height: HEIGHT, text: `${fixed(c.value, 3)}, ${c.verdict ?? "not judged"}`, marks: <EffectBar mark={barOf(c)} span={span} height={HEIGHT} ticks={[1]} /> })),
    );
  return (
    <Figure title={title} hint="in floors: the dashed line is the smallest effect that matters" csv={csv} png={png}>
      <div className="scroll">
        <table className="metrics together">
          <thead>
            <tr>
              <th scope="col">test</th>
              <th scope="col">
                <span className="sr">drawn</span>
              </th>
              <th scope="col" className="number">
                value
              </th>
              <th scope="col">verdict</th>
            </tr>
          </thead>
          <tbody>
            {checks.map((check) => (
              <CheckRow key={check.metric} check={check} span={span} />
            ))}
          </tbody>
        </table>
      </div>
    </Figure>
  );
}

function Importances({ columns }: { columns: Check["columns"] }) {
  const shown = columns.filter((c) => c.importance >= LEAST).slice(0, MOST);
  if (!shown.length) return null;
  const most = extent(shown.map((c) => c.importance))?.[1] ?? 1;
  const title = "What tells current rows apart";
  const bar = (part: number): Mark => ({ role: "bar", value: part, low: null, high: null, colour: "var(--current)" });
  const drawn = (part: number) => <EffectBar mark={bar(part)} span={[0, most * 1.02]} height={HEIGHT} ticks={[]} />;
  const csv = () => ({ header: ["column", "importance"], rows: columns.map((c): Cell[] => [c.name, c.importance]) });
  const png = () => saveRows(title, shown.map((c) => ({ label: c.name, height: HEIGHT, marks: drawn(c.importance), text: `AUC ${fixed(-c.importance, 3)}` }))); // prettier-ignore
  return (
    <Figure title={title} csv={csv} png={png}>
      <ul className="bars" role="img" aria-label={`${title}: ${shown.map((c) => `${c.name} ${fixed(c.importance, 3)}`).join(", ")}`}>
        {shown.map((c) => (
          <li key={c.name} data-tip={`${c.name}\nAUC falls by ${fixed(c.importance, 3)} when it is shuffled`}>
            <bdi title={c.name}>{c.name}</bdi>
            <svg width="100%" height={HEIGHT} aria-hidden="true">
              {drawn(c.importance)}
            </svg>
            <span className="number">{fixed(c.importance, 3)}</span>
          </li>
        ))}
      </ul>
      <p className="note">What the AUC of the domain classifier loses when the values of the column are shuffled.</p>
    </Figure>
  );
}

const TICKS = [-1, -0.5, 0, 0.5, 1];
const AXIS: Span = [-1.04, 1.04];
const nameOf = (pair: Pair) => pair.columns.join(" and ");
const pairMarks = (pair: Pair): Mark[] => [
  { role: "reference", value: pair.before, low: null, high: null },
  { role: "current", value: pair.after, low: null, high: null },
];
const pairText = (pair: Pair) => `${fixed(pair.before, 2)} → ${fixed(pair.after, 2)}`;

function Correlations({ pairs: found, floor }: { pairs: Pair[]; floor: number | null }) {
  const pairs = found.toSorted((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
  const beyond = pairs.filter((p) => Math.abs(p.after - p.before) > (floor ?? 0)).length;
  const shown = pairs.slice(0, Math.max(FEWEST, Math.min(beyond, MOST)));
  const title = "Rank correlations";
  const drawn = (pair: Pair) => <Marks marks={pairMarks(pair)} span={AXIS} height={HEIGHT} ticks={TICKS} join />;
  const csv = () => ({ header: ["first", "second", "before", "after", "p_value"], rows: pairs.map((p): Cell[] => [...p.columns, p.before, p.after, p.p_value]) });
  const png = () => saveRows(title, shown.map((p) => ({ label: nameOf(p), height: HEIGHT, marks: drawn(p), text: pairText(p) }))); // prettier-ignore
  const key = (
    <Legend
      items={[
        ["reference", "reference"],
        ["current", "current"],
      ]}
    />
  );
  return (
    <Figure title={title} hint={key} csv={csv} png={png}>
      <ul className="bars pairs" role="img" aria-label={`${title}: ${shown.map((p) => `${nameOf(p)} ${pairText(p)}`).join(", ")}`}>
        {shown.map((p) => (
          <li key={nameOf(p)} data-tip={`${nameOf(p)}\nreference ${fixed(p.before, 3)}\ncurrent ${fixed(p.after, 3)}\np ${pText(p.p_value)}`}>
            <bdi title={nameOf(p)}>
              {p.columns[0]} <i>and</i> {p.columns[1]}
            </bdi>
            <svg width="100%" height={HEIGHT} aria-hidden="true">
              {drawn(p)}
            </svg>
            <span className="number">{pairText(p)}</span>
          </li>
        ))}
      </ul>
      <p className="note">
        From −1 to 1, the line in the middle is 0; those that changed most.{pairs.length > shown.length && ` ${pairs.length - shown.length} more are in the CSV.`}
      </p>
    </Figure>
  );
}

function Outputs({ scores }: { scores: Multivariate["scores"] }) {
  if (!scores.length) return null;
  return (
    <ul className="outputs" aria-label="the model's own outputs">
      {scores.map((score) => (
        <li key={score.name}>
          <span>
            The model's output{" "}
            <b>
              <bdi>{score.name}</bdi>
            </b>
            {score.effect === null ? ": not enough data" : ` moved by ${short(score.effect, 3)} (${DISTANCES[score.metric] ?? words(score.metric)})`}
          </span>
          <Chip verdict={score.verdict} />
        </li>
      ))}
    </ul>
  );
}

/** Changes that no column shows by itself, in words first. */
export function Together({ multivariate }: { multivariate: Multivariate | null | undefined }) {
  if (!multivariate?.checks.length) return null;
  const { checks, scores } = multivariate;
  const columns = checks.find((c) => c.metric === "classifier_drift")?.columns ?? [];
  const changed = checks.find((c) => c.pairs.length > 0);
  return (
    <Section
      id="together"
      title="All columns together"
      lead="What changed between columns, and not only within each: judged on the rows that profiles keep whole, within the same budget of false alarms."
    >
      <div className="prose small">
        {checks.map((check) => (
          <p key={check.metric}>{check.words}</p>
        ))}
      </div>
      <Outputs scores={scores} />
      <Checks checks={checks} />
      {(columns.length > 0 || changed) && (
        <div className="pair below">
          {columns.length > 0 && <Importances columns={columns} />}
          {changed && <Correlations pairs={changed.pairs} floor={changed.floor} />}
        </div>
      )}
    </Section>
  );
}
