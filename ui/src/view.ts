/**
 * The document that Python hands to the page: `report.to_dict()` in Python has exactly this shape.
 * The live page, the saved report and the notebook all draw from it. Times are ISO 8601 with offset; shares are 0..1.
 * `null` means "not known" or "not defined" and is drawn as such, never as zero.
 */
export type VerdictName = "ok" | "warning" | "critical" | "not enough data";
export type Source = "realised" | "estimated";

/** A number with its interval; n is the number of rows it rests on. `approximate`: that is too little for the interval to hold. */
export interface Estimate { value: number | null; low: number | null; high: number | null; n: number; coverage: number | null; approximate?: boolean }

export interface Side {
  name: string;            // file name or "reference" / "current"
  rows: number;
  start: string | null;    // first and last event time
  end: string | null;
  coverage: number | null; // share of predictions that have a label
  bytes: number;           // size of the stored profile
}

/** What was tested, and what came of it. Evidence: p_value against alpha. Effect: against floor, above 0 for the worse. */
export interface Check {
  verdict: VerdictName | null; // null: shown, never judged
  words: string;              // the evidence in one or two sentences
  effect: number | null; effect_low: number | null; effect_high: number | null;
  floor: number | null;       // the smallest effect that matters
  p_value: number | null;     // evidence
  alpha: number | null;       // the share of the false-alarm budget that this check may spend
  detectable: number | null;  // smallest effect that this n would have shown with 80 % power
}

export interface MetricRow extends Check {
  metric: string;             // vocabulary name: roc_auc, f1, ...
  title: string;              // "ROC AUC"
  unit: string | null;        // null, "share", "%", or the target's own
  better: "higher" | "lower" | "near zero" | null;
  reference: Estimate | null;
  current: Estimate | null;
  estimated: Estimate | null; // what CBPE said without using the labels of current
  powered?: Estimate | null;   // from a few labels and all scores, where some labels are missing
  gap?: Estimate | null;       // realised less expected, over the rows with a label
}

export interface SegmentRow {
  column: string;             // "origin", or "origin x carrier"
  value: string;              // "JFK", "18 to 65", "JFK x UA", or "__other__"
  rows: [number, number];     // reference, current
  sensitive: boolean;
  cost: SegmentCost | null;   // null where the loss is not known on both sides; rows come in its order
  metrics: MetricRow[];       // a few headline metrics
}

interface Limits {
  value: number; low: number; high: number; n: number;
}

export interface WeakSegment {
  parts: { column: string; value: string }[]; // one or two
  name: string;               // "age 18 to 25, origin JFK"
  metric: string; unit: string | null; // the loss: "log_loss", "error_rate" or "mae"
  side: "current" | "reference";
  status: "new" | "worse" | "as before" | "unknown";
  share: number;              // of all rows
  inside: Limits; elsewhere: number; // mean loss
  cost: Limits;               // share of the loss of all rows
  before: Limits | null;      // by how much its rows lost more than the rest in the reference
  p_value: number;
  words: string;
}

export interface RuleRow {
  column: string | null; rule: string; // null: of all rows
  verdict: VerdictName;
  bound: number; value: number | null; n: number; // the share that breaks it: at most, and found
  words: string;
}

export interface SegmentCost {
  metric: string;             // the loss that it is told in: "log_loss", "accuracy" (errors), "mae"
  value: number; low: number; high: number; // rows times by how much their mean loss rose
  share: number | null;       // of the loss of all rows
  words: string;
}

export interface TimePoint {
  side: "reference" | "current";
  start: string; end: string; // half-open, in the model's zone
  n: number; coverage: number | null;
  metrics: Record<string, Estimate>;        // realised, by metric name
  estimated: Record<string, Estimate>;      // by metric name
  powered?: Record<string, Estimate>;       // by metric name, on the live page
}

/** One bar of the reliability diagram. */
export interface CalibrationBin { lower: number; upper: number; n: number; score: number | null; rate: number | null; low: number | null; high: number | null }

/** Numbers that belong together, one for each point; null where there is none (the first threshold selects nothing). */
export type Points = (number | null)[];
interface CurveOf { threshold: Points; selected: Points; n: number; resolution: number }
/** Curves over falling thresholds, at most 101 points of each; limits are pointwise. */
export interface SideCurves {
  roc: CurveOf & { false_positive_rate: Points; true_positive_rate: Points; low: Points; high: Points };
  precision_recall: CurveOf & { precision: Points; recall: Points; low: Points; high: Points };
  lift?: CurveOf & { gain: Points; low: Points; high: Points; lift: Points };
  threshold?: CurveOf & {
    precision: Points; precision_low: Points; precision_high: Points; recall: Points; recall_low: Points; recall_high: Points;
    specificity: Points; f1: Points; accuracy: Points;
  };
  best_f1?: { threshold: number | null; low: number | null; high: number | null; f1: number }; // low, high: what rows do not tell from it
}

/** One class or average of scikit-learn's report; `intervals` has the limits of each of the three. */
export interface ClassLine {
  precision: number | null; recall: number | null; "f1-score": number | null; support: number;
  intervals: Record<"precision" | "recall" | "f1-score", [number | null, number | null]>;
}
/** scikit-learn's dict: a line for each class, then accuracy and the averages. */
export type ClassReport = Record<string, ClassLine | number | null | [number | null, number | null]>;

/** Errors (target minus prediction) of a regression or forecast; `horizon` names the segments by how far ahead. */
export interface Errors {
  distribution: Extract<Distribution, { kind: "numeric" }>;
  quantiles: Record<"reference" | "current", { q: number; value: number | null }[]>;
  n: [number, number];
  horizon: string | null;
}

type ListMetric = "ndcg" | "hit_rate" | "recall_at_k";
/** How good ranked lists are that are cut after so many rows. */
export interface Lists { lengths: number[]; reference: Record<ListMetric, Estimate[]>; current: Record<ListMetric, Estimate[]> }

export interface Summary {
  rows: number; nulls: number; nans: number; infinities: number;
  distinct: number | null; distinct_exact: boolean;
  mean: number | null; sd: number | null;
  min: number | string | null; p05: number | string | null; p25: number | string | null; median: number | string | null;
  p75: number | string | null; p95: number | string | null; max: number | string | null; // datetimes come as ISO strings
}

/** Bars to draw side by side. numeric: edges.length === reference.length + 1 and shares per bin; categorical: one bar per value. */
export type Distribution =
  | { kind: "numeric"; edges: number[]; reference: number[]; current: number[] }
  | { kind: "datetime"; edges: string[]; reference: number[]; current: number[] }
  | { kind: "categorical"; values: string[]; reference: number[]; current: number[]; other: [number, number] | null };

/** Several columns at once: the model's outputs first (judged as columns), then the checks of the row samples. */
export interface Multivariate {
  scores: { name: string; metric: string; effect: number | null; p_value: number | null; verdict: VerdictName | null }[];
  checks: (Check & {
    metric: string; title: string; value: number | null;
    columns: { name: string; importance: number }[];
    pairs: { columns: [string, string]; before: number; after: number; p_value: number }[];
  })[];
}

/** One aspect of a change; `unit` where a change of units is guessed. */
export interface ColumnPart {
  aspect: "unit" | "shift" | "spread" | "tails" | "new categories" | "vanished categories" | "shares" | "nulls";
  size: number; before: number | null; after: number | null; names: string[]; words: string;
  unit: { old: string; new: string; explained: number; by: "values" | "shape" } | null;
}

export interface ColumnRow extends Check {
  name: string;
  kind: string;               // numeric, categorical, boolean, datetime, text, ...
  role: string;               // feature, score, prediction, target, segment, ...
  metric: string;             // name of the effect: wasserstein (in sd of the reference) or jensen_shannon
  importance?: number | null; // part of all importance, where the reference says
  distances: MetricRow[];     // every univariate drift metric of the column (current holds the value), with its own p-value
  tests: Record<string, number>; // p-values that the evidence is made of: g, kolmogorov_smirnov, mean
  changes: ColumnPart[];      // what changed, of columns that alarm: shift, spread, tails, categories, nulls, a unit that is guessed
  quality: MetricRow[];       // null_share, distinct_count, format_share, ...
  new_categories: string[];   // at most ten
  reference: Summary; current: Summary;
  distribution: Distribution | null;
}

export interface CompareView {
  format: "watchkeeper.view/1";
  kind: "compare";
  title: string;
  created: string;
  watchkeeper: string;        // version
  verdict: VerdictName;
  pages: boolean;             // whether somebody should be told: the model got worse, or may have where labels cannot say
  headline: string;           // one sentence
  sentences: string[];        // what changed most, how, and what it did to the model
  task: string | null;        // binary, multiclass, regression, ...
  positive: string | null;
  zone: string | null;
  reference: Side; current: Side;
  budget: { alpha: number; checks: number; words: string };
  schema: { name: string; kind: string; role: string; guessed: boolean }[];
  notices: string[];          // what had to be left out, guessed or counted apart
  main_metric: string | null; // what timeline and segments lead with
  performance: MetricRow[];
  confusion: { classes: string[]; reference: number[][]; current: number[][] } | null; // [label][prediction]
  calibration: { reference: CalibrationBin[]; current: CalibrationBin[] } | null;
  curves?: { reference: SideCurves; current: SideCurves } | null;        // of a binary task
  classes?: { reference: ClassReport; current: ClassReport; all?: number } | null; // all: so many classes there are, where not all are told
  errors?: Errors | null;     // of a regression or forecast
  lists?: Lists | null;       // of a ranking
  timeline: TimePoint[];
  segments: SegmentRow[];
  weak_segments?: WeakSegment[]; // those first that cost most
  quality?: MetricRow[];      // of all rows: duplicates
  rules?: RuleRow[];          // where the comparison was given rules
  columns: ColumnRow[];       // sorted: what changed most first
  multivariate?: Multivariate | null; // where it was asked for
}

export type View = CompareView;
