/**
 * The documents of the live page, as `GET /api/v1/views/{page}` gives them: columns of numbers, one for each window.
 * Times inside windows are seconds since 1970; null means "not known" and is drawn as such, never as zero.
 */
import type { CompareView, Distribution, VerdictName } from "../view";

export type Num = number | null;
export type Severity = "warning" | "critical";
export type Every = "hour" | "day" | "week" | "month";

export interface Me { name: string; role: "viewer" | "admin"; project: string }
interface Head { format: "watchkeeper.live/1"; me: Me }

export interface Windows {
  start: number[]; end: number[]; rows: number[]; labelled: number[]; sealed: (0 | 1)[];
  version: number[];        // place in `versions`: whose rows were the most
  versions: string[];
  served?: (0 | 1)[];       // 0: its rows are drawn though another version was set to serve
}
export interface Line { value: Num[]; low: Num[]; high: Num[]; n: Num[]; sealed?: Num[] }
export interface MetricWords { metric: string; title: string; unit: string | null; better: "higher" | "lower" | "near zero" | null; floor: Num }
/** What windows were held against: of the last one, and of each where they differ. */
export interface References { reference: Num; references?: Num[] | null }
export interface MetricLines extends MetricWords, References { realised: Line | null; estimated: Line | null; powered?: Line | null }
export type Counters = Partial<Record<"pending" | "waiting" | "quarantined" | "duplicates" | "lost" | "sampled_out", number>>;
export interface OpenIncident { id: number; severity: Severity; state: string; title: string; cause: string; opened: string | null }

export interface FleetModel extends Partial<MetricWords>, References {
  model: string; environment: string; serving: string | null; versions: number; clock: string; zone: string | null;
  status: VerdictName; words: string;
  start: number[]; end: number[]; rows: number[]; coverage: Num; last: string | null;
  metric: string; title: string; unit: string | null; source: "realised" | "estimated" | null; line: Line | null;
  open: OpenIncident[]; counters: Counters;
}
export interface FleetView extends Head { page: "fleet"; days: number; models: FleetModel[]; operator_problem?: string | null }

export interface TimeMark { at: number; until: Num; kind: "incident" | "version"; text: string; severity: Severity | null; id: Num }
export interface ModelView extends Head {
  page: "model"; model: string; environment: string; clock: string; serving: string | null; zone: string | null; task: string | null;
  every: Every; offered: Every[]; main_metric: string | null; segment_metrics: string[];
  status: VerdictName; words: string; open: OpenIncident[];
  versions: string[]; segments: string[]; windows: Windows;
  performance: MetricLines[]; service: MetricLines[]; marks: TimeMark[]; counters: Counters;
  compared: { version: string; stage: string | null; windows: Windows; performance: MetricLines[] } | null;
}
export interface DriftColumn { column: string; metric: string; title: string; value: Num[]; strength: Num[]; late: number; importance?: Num } // n is all rows of the window
export interface DriftView extends Head { page: "drift"; windows: Windows; columns: DriftColumn[]; all: number }
/** The last windows with labels against the reference: parts of a report's document. */
export interface OutcomeView extends Head, Pick<CompareView, "confusion" | "calibration" | "curves" | "classes" | "errors" | "lists"> {
  page: "outcome"; version: string | null; zone: string | null; task: string | null; positive: string | null;
  count: number; labelled: number; whole: boolean; span: { start: string; end: string } | null; has_reference: boolean;
}
export interface QualityRow extends MetricWords, References { column: string; value: Num[]; n: Num[]; late: number }
export interface QualityView extends Head { page: "quality"; windows: Windows; rows: QualityRow[]; all: number }
export interface SegmentLine extends References { segment: string; largest: number; realised: Line | null; estimated: Line | null }
export interface SegmentsView extends Head, MetricWords { page: "segments"; model: string; windows: Windows; offered: MetricWords[]; segments: SegmentLine[]; all: number }

export interface ColumnView extends Head {
  page: "column"; model: string; environment: string; column: string; every: Every; offered: Every[]; zone: string | null; versions: string[];
  kind: string | null; windows: Windows; drift: MetricLines[]; quality: MetricLines[];
  segments: ({ segment: string } & MetricLines)[];
  distribution: Distribution | null; has_reference: boolean; rows: number; span: { start: string; end: string } | null;
}
export interface DistributionsView extends Head {
  page: "distributions"; column: string; windows: Windows;
  whole: boolean;           // false: older windows are still to be read, ask again
  bins: (string | number)[]; edges: number[] | null; reference: Num[] | null; shares: (number[] | null)[];
}

export interface Finding {
  monitor: string; metric: string; column: string | null; segment: string | null; source: string; verdict: VerdictName; state: string;
  point: { start: Num; stop: Num; value: Num; low: Num; high: Num; n: Num; coverage: Num; reference: Num; effect: Num; p_value: Num; detectable: Num };
  alpha: Num; words: string;
}
export interface Action {
  id: string; incident: Num; model: string; environment: string; name: string; state: string; proposed: string | null; changed: string | null;
  expires: string | null; author: string | null; approver: string | null; rule: unknown; request: unknown; result: unknown; evidence: unknown; log: string | null;
}
export interface Notification { channel: string; kind: string; state: string; attempts: number; created: string; sent: string | null; error: string | null; key: string }
export interface TimelineEntry { at: string | null; wall: string; kind: string; actor: string | null; text: string; data: unknown }
export interface IncidentSummary {
  id: number; project: string; environment: string; model: string; version: string | null; cause: string;
  state: "open" | "acknowledged" | "resolved"; severity: Severity; title: string;
  opened: string; opened_wall: string; resolved: string | null; silenced: boolean;
}
/** A column that moved as it began: how far from the reference now and earlier, and how much further, by which they are sorted. */
export interface Explanation { column: string; title: string | null; unit: string | null; now: Num; earlier: Num; further: Num; jump?: Num; effect: Num; words: string }
export interface Incident extends IncidentSummary {
  findings: Finding[]; columns: Explanation[];
  timeline: TimelineEntry[]; notifications: Notification[]; actions: Action[];
}
export interface IncidentsView extends Head { page: "incidents"; incidents: IncidentSummary[]; models: (ModelName & { zone: string | null })[] }
export interface IncidentView extends Head {
  page: "incident"; incident: Incident; zone: string | null; windows: Windows;
  charts: (MetricLines & { column: string | null; segment: string | null })[];
}

/** `created` is null for what is in force though nobody applied it: a suggestion. */
export interface Monitors { revision: number; text: string; document: unknown; author: string | null; created: string | null }
export interface MonitorsView extends Head { page: "monitors"; model: string; environment: string; zone: string | null; monitors: Monitors | null }
export interface Plan { changes: { what: string; monitor: string; from: unknown; to: unknown }[]; warnings?: string[] }
export interface Replay {
  windows: number; incidents: { window: string; resolved: string | null; severity: Severity; words: string; cause: string }[]; per_week: number; findings_by_monitor: Record<string, number>;
  days: { start: string; incident: boolean; findings: number }[];
}

export interface ModelName { model: string; environment: string }
export interface ChannelState { name: string; kind: string; state: string; last_sent: string | null; last_error: string | null; waiting: number; dead: number }
export interface Silence { id: number; model: string; environment: string; monitor: string | null; until: string; reason: string; author: string; created: string; ended?: string | null }
export interface KeyShown { id: string; name: string; role: string; prefix: string; created: string; last_used: string | null; expires: string | null; revoked: string | null }
export interface AuditRecord { seq: number; at: string; actor: string; what: string; target: string | null; detail: unknown }
export interface SettingsView extends Head {
  page: "settings"; keys: KeyShown[] | null; channels: ChannelState[]; silences: Silence[]; actions: Action[]; halted: string | null; audit: AuditRecord[]; models: ModelName[]; operator_problem?: string | null;
}
export interface Documents {
  fleet: FleetView; model: ModelView; drift: DriftView; quality: QualityView; segments: SegmentsView; column: ColumnView;
  distributions: DistributionsView; outcome: OutcomeView; incidents: IncidentsView; incident: IncidentView; monitors: MonitorsView; settings: SettingsView;
}
export type PageName = keyof Documents;
