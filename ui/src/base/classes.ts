/** The report by class of both sides as lines to sort: how each class changed, and what that did to its rows. */
import type { ClassLine, ClassReport } from "../view";

export const SCORES = ["precision", "recall", "f1-score"] as const;
export type Score = (typeof SCORES)[number];
export interface Line {
  name: string;
  average: boolean;
  reference: ClassLine | null;
  current: ClassLine | null;
  change: number | null; // of F1
  span: [number, number] | null;
  missed: number | null; // rows of the class that were missed beyond what the reference's recall would have missed
}
export type Order = "harm" | "support" | "change" | "name";

const AVERAGES = ["micro avg", "macro avg", "weighted avg", "samples avg"];
const isLine = (value: ClassReport[string] | undefined): value is ClassLine =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The interval of a difference from those of its two parts (Newcombe 1998, method 10). */
function spanOf(before: ClassLine, after: ClassLine): [number, number] | null {
  const [b, a] = [before["f1-score"], after["f1-score"]];
  const [[bl, bh], [al, ah]] = [before.intervals["f1-score"], after.intervals["f1-score"]];
  if (b === null || a === null || bl === null || bh === null || al === null || ah === null) return null;
  return [a - b - Math.hypot(a - al, bh - b), a - b + Math.hypot(ah - a, b - bl)];
}

function lineOf(name: string, before: ClassLine | null, after: ClassLine | null, average: boolean): Line {
  const [b, a] = [before?.["f1-score"] ?? null, after?.["f1-score"] ?? null];
  const seen = before !== null && after !== null && before.support > 0 && after.support > 0;
  const lost = seen && before.recall !== null && after.recall !== null ? (before.recall - after.recall) * after.support : null;
  const known = before && after && (seen || average);
  return {
    name, average, reference: before, current: after,
    change: known && a !== null && b !== null ? a - b : null,
    span: known ? spanOf(before, after) : null,
    missed: average ? null : lost,
  }; // prettier-ignore
}

/** Accuracy as a line like the averages: it has one number. */
function accuracyOf(report: ClassReport): ClassLine | null {
  const [value, limits] = [report.accuracy, report.accuracy_interval];
  if (typeof value !== "number" || !Array.isArray(limits)) return null;
  const none: [null, null] = [null, null];
  const support = AVERAGES.map((name) => report[name]).find(isLine)?.support ?? 0;
  return { precision: null, recall: null, "f1-score": value, support, intervals: { precision: none, recall: none, "f1-score": limits } };
}

export function linesOf({ reference, current }: { reference: ClassReport; current: ClassReport }): Line[] {
  const names = [...new Set([...Object.keys(reference), ...Object.keys(current)])];
  const line = (name: string): Line[] => {
    const [before, after] = [reference[name], current[name]].map((found) => (isLine(found) ? found : null)) as [ClassLine | null, ClassLine | null];
    return before || after ? [lineOf(name, before, after, AVERAGES.includes(name))] : [];
  };
  const accuracy = lineOf("accuracy", accuracyOf(reference), accuracyOf(current), true);
  return [...names.flatMap(line), ...(accuracy.reference || accuracy.current ? [accuracy] : [])];
}

const last = -Infinity;
export function sorted(lines: Line[], order: Order): Line[] {
  const support = (line: Line) => line.current?.support ?? line.reference?.support ?? 0;
  const by: Record<Exclude<Order, "name">, (line: Line) => number> = {
    harm: (line) => line.missed ?? last,
    support,
    change: (line) => (line.change === null ? last : -line.change),
  };
  if (order === "name") return lines.toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return lines.toSorted((a, b) => (by[order](b) === by[order](a) ? support(b) - support(a) : by[order](b) - by[order](a)));
}
