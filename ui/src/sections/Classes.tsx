import { useDeferredValue, useMemo, useState } from "react";
import { SCORES, linesOf, sorted, type Line, type Order, type Score } from "../base/classes";
import { count, fixed, signed } from "../base/format";
import type { Cell } from "../base/save";
import { useChoice } from "../base/state";
import { Figure, Legend, Pick } from "../charts/Figure";
import { Marks, spanOf, type Mark, type Span } from "../charts/Marks";
import { saveRows } from "../charts/RowFigure";
import type { ClassLine, CompareView } from "../view";
import { Section } from "./Section";

const HEIGHT = 34;
const FIRST = 15;
const MANY = 12; // from so many classes on there is a search
const ORDERS: [Order, string][] = [
  ["harm", "most rows lost"],
  ["support", "most rows"],
  ["change", "F1 fell most"],
  ["name", "name"],
];
const TITLES: Record<Score, string> = { precision: "precision", recall: "recall", "f1-score": "F1" };
const titleOf = (line: Line, score: Score) => (line.name === "accuracy" && line.average && score === "f1-score" ? "accuracy" : TITLES[score]);

function marksOf(line: Line): Mark[] {
  return (["reference", "current"] as const).flatMap((role): Mark[] => {
    const side = line[role];
    const value = side?.["f1-score"] ?? null;
    const [low, high] = side?.intervals["f1-score"] ?? [null, null];
    return value === null ? [] : [{ role, value, low, high }];
  });
}

const sideText = (line: ClassLine | null, name: string) =>
  line === null ? `${name} none` : `${name} ${SCORES.map((score) => `${TITLES[score]} ${fixed(line[score], 3)}`).join(", ")}, n = ${count(line.support)}`;
const tipOf = (line: Line) => `${line.name}\n${sideText(line.reference, "reference")}\n${sideText(line.current, "current")}`;
const changeText = (line: Line) => signed(line.change, 3);
const missedText = (line: Line) => (line.missed === null ? "–" : signed(line.missed, 0).replace(/^[+−]?0$/, "0"));

function Pair({ before, after, title }: { before: number | null; after: number | null; title: string }) {
  return (
    <td className={before === null && after === null ? "number blank" : "number"} data-side={title}>
      {after === null ? "–" : <b>{fixed(after, 3)}</b>}
      {before !== null && <small>was {fixed(before, 3)}</small>}
    </td>
  );
}

function Row({ line, span, positive }: { line: Line; span: Span; positive: boolean }) {
  const { reference, current } = line;
  const certain = line.span !== null && (line.span[0] > 0 || line.span[1] < 0);
  return (
    <tr className={line.average ? "average" : ""} data-class={line.name}>
      <th scope="row" title={line.name}>
        <bdi>{line.name}</bdi>
        {positive && <small>the positive class</small>}
      </th>
      <td className="plot" data-tip={tipOf(line)} tabIndex={0} role="img" aria-label={tipOf(line)}>
        <svg width="100%" height={HEIGHT} aria-hidden="true">
          <Marks marks={marksOf(line)} span={span} height={HEIGHT} />
        </svg>
      </td>
      {SCORES.map((score) => (
        <Pair key={score} before={reference?.[score] ?? null} after={current?.[score] ?? null} title={titleOf(line, score)} />
      ))}
      <td className="number change" data-side="change">
        {certain ? <b>{changeText(line)}</b> : changeText(line)}
        <small>{line.span && `${signed(line.span[0], 3)} to ${signed(line.span[1], 3)}`}</small>
      </td>
      <td className="number" data-side="rows">
        <b>{current ? count(current.support) : "–"}</b>
        <small>was {reference ? count(reference.support) : "–"}</small>
      </td>
      <td className={line.average ? "number blank" : "number"} data-side="rows lost">
        {line.average ? "" : missedText(line)}
      </td>
    </tr>
  );
}

function Head({ what }: { what: string }) {
  return (
    <thead>
      <tr>
        <th scope="col">{what}</th>
        <th scope="col">
          F1<span className="sr">, drawn</span>
        </th>
        {["precision", "recall", "F1"].map((title) => (
          <th key={title} scope="col" className="number">
            {title}
          </th>
        ))}
        <th scope="col" className="number change">
          change of F1
        </th>
        <th scope="col" className="number">
          rows
        </th>
        <th scope="col" className="number">
          rows lost
        </th>
      </tr>
    </thead>
  );
}

const HEADER = [
  "class",
  ...["reference", "current"].flatMap((side) => [...SCORES.flatMap((s) => [`${side}_${s}`, `${side}_${s}_low`, `${side}_${s}_high`]), `${side}_support`]),
  "change_f1",
  "change_low",
  "change_high",
  "rows_lost",
];
const cellsOf = (side: ClassLine | null): Cell[] => [
  ...SCORES.flatMap((s): Cell[] => [side?.[s] ?? null, ...(side?.intervals[s] ?? [null, null])]),
  side?.support ?? null,
];

export function Classes({ view }: { view: Pick<CompareView, "classes" | "task" | "positive"> }) {
  const report = view.classes;
  const lines = useMemo(() => (report ? linesOf(report) : []), [report]);
  const classes = useMemo(() => lines.filter((line) => !line.average), [lines]);
  const [order, setOrder] = useChoice("classes", "harm", ORDERS.map(([key]) => key));
  const [search, setSearch] = useChoice("class", "");
  const typed = useDeferredValue(search.trim().toLowerCase());
  const [most, setMost] = useState(FIRST);
  const found = useMemo(() => sorted(classes.filter((line) => line.name.toLowerCase().includes(typed)), order as Order), [classes, typed, order]);
  if (!report || !classes.length) return null;
  const shown = [...found.slice(0, most), ...lines.filter((line) => line.average)];
  const span = spanOf(shown.flatMap(marksOf));
  const all = Math.max(report.all ?? 0, classes.length);
  const sets = view.task === "multilabel";
  const title = sets ? "Report by label" : "Report by class";
  const csv = () => ({
    header: HEADER,
    rows: [...found, ...lines.filter((l) => l.average)].map((l): Cell[] => [l.name, ...cellsOf(l.reference), ...cellsOf(l.current), l.change, ...(l.span ?? [null, null]), l.missed]),
  });
  const png = () =>
    saveRows(
      title,
      shown.map((line) => ({
        label: line.name,
        height: HEIGHT,
        text: `F1 ${fixed(line.reference?.["f1-score"] ?? null, 3)} → ${fixed(line.current?.["f1-score"] ?? null, 3)} (${changeText(line)})`,
        marks: <Marks marks={marksOf(line)} span={span} height={HEIGHT} />,
      })),
    );
  return (
    <Section
      id="classes"
      title={sets ? "Labels" : "Classes"}
      lead={`Each ${sets ? "label" : "class"} against all others, as in scikit-learn's classification report. Rows lost: how many of its rows were missed beyond what the reference's recall would have missed.${sets ? " Accuracy: sets that are right as a whole." : ""}`}
    >
      <Figure
        title={title}
        csv={csv}
        png={png}
        hint={
          <Legend
            items={[
              ["reference", "reference"],
              ["current", "current"],
            ]}
          />
        }
        controls={classes.length > 2 && <Pick label="order" value={order} options={ORDERS} onChange={setOrder} />}
      >
        {classes.length > MANY && (
          <div className="filters">
            <input type="search" value={search} placeholder="Search classes" aria-label="Search classes" onChange={(event) => setSearch(event.target.value)} />
            <span className="found" role="status">
              {found.length === classes.length ? `${count(classes.length)} classes` : `${count(found.length)} of ${count(classes.length)} classes`}
              {all > classes.length && `, of ${count(all)} the most frequent and those that changed most`}
            </span>
          </div>
        )}
        {found.length === 0 && <p className="nothing">No class has a name like that.</p>}
        <div className="scroll">
          <table className="metrics classes">
            <Head what={sets ? "label" : "class"} />
            <tbody>
              {shown.map((line) => (
                <Row key={`${line.average} ${line.name}`} line={line} span={span} positive={!line.average && line.name === view.positive} />
              ))}
            </tbody>
          </table>
        </div>
        {found.length > most && (
          <button type="button" className="quiet" onClick={() => setMost(most + FIRST * 4)}>
            show {Math.min(found.length - most, FIRST * 4)} more of {count(found.length)}
          </button>
        )}
        <p className="note">Shown, not judged. Bold changes: their 95 % interval leaves out zero; of many classes a few do so by chance.</p>
      </Figure>
    </Section>
  );
}
