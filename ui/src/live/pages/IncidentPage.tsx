/** Why did this fire, and what was done? */
import { useMemo, useState, type FormEvent } from "react";
import { count, fixed, interval, percent, sharedDecimals, short, words } from "../../base/format";
import { pText } from "../../base/judge";
import { saveCsv } from "../../base/save";
import { Chip } from "../../charts/Chip";
import { Section } from "../../sections/Section";
import { send } from "../asking";
import { Known, SeriesFigure } from "../charts/SeriesFigure";
import { ZoomProvider } from "../charts/zoom";
import type { Explanation, Finding, Incident, IncidentView, Notification, Num, TimeMark, TimelineEntry } from "../documents";
import { useDoing } from "../parts/Notices";
import { Await, PageHead } from "../parts/Page";
import { inZone, lasting, useClock, when } from "../parts/clock";
import { Link, pathTo } from "../places";
import { useView } from "../views";
import { Actions } from "./incident/Actions";
import { StateWord } from "./Incidents";

const WHAT = ["incident", "action", "channel", "measured"] as const;
const whatOf = (f: Finding) => [words(f.metric), f.column && `of ${f.column}`, f.segment && `where ${f.segment}`].filter(Boolean).join(" ");

function Doing({ incident, admin, again }: { incident: Incident; admin: boolean; again: () => void }) {
  const { busy, run } = useDoing();
  const [note, setNote] = useState("");
  const act = async (verb: "acknowledge" | "resolve", done: string) => {
    if (await run(() => send("POST", `incidents/${incident.id}/${verb}`, { note }), done)) {
      setNote("");
      again();
    }
  };
  if (!admin) return <p className="hint">A viewer may look; to acknowledge, resolve or silence takes the key of an admin.</p>;
  if (incident.state === "resolved") return null;
  return (
    <div className="doing">
      <input type="text" value={note} placeholder="A note for whoever reads this later" aria-label="note" maxLength={2000} onChange={(event) => setNote(event.target.value)} />
      {incident.state === "open" && (
        <button type="button" className="button main" disabled={busy} onClick={() => void act("acknowledge", "Acknowledged.")}>
          Acknowledge
        </button>
      )}
      <button type="button" className="button" disabled={busy} onClick={() => void act("resolve", "Resolved.")}>
        Resolve
      </button>
      <Silence incident={incident} again={again} />
    </div>
  );
}

const SPANS: [number, string][] = [[1, "1 hour"], [8, "8 hours"], [24, "1 day"], [168, "1 week"]]; // prettier-ignore

function Silence({ incident, again }: { incident: Incident; again: () => void }) {
  const [open, setOpen] = useState(false);
  const [hours, setHours] = useState(8);
  const [reason, setReason] = useState("");
  const { busy, run } = useDoing();
  const silence = async (event: FormEvent) => {
    event.preventDefault();
    const until = new Date(Date.now() + hours * 3_600_000).toISOString();
    const body = { model: incident.model, environment: incident.environment, until, reason: reason.trim() };
    if (await run(() => send("POST", "silences", body), "Silenced: it still counts, and sends nothing.")) {
      setOpen(false);
      again();
    }
  };
  return (
    <>
      <button type="button" className="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        Silence …
      </button>
      {open && (
        <form className="inline-form" onSubmit={(event) => void silence(event)}>
          <label>
            for{" "}
            <select value={hours} onChange={(event) => setHours(Number(event.target.value))}>
              {SPANS.map(([h, text]) => (
                <option key={h} value={h}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <input type="text" required value={reason} placeholder="why, for whoever finds it" aria-label="reason" maxLength={200} onChange={(event) => setReason(event.target.value)} />
          <button type="submit" className="button main" disabled={busy || !reason.trim()}>
            Silence {incident.model}
          </button>
        </form>
      )}
    </>
  );
}

function Evidence({ finding, clock }: { finding: Finding; clock: string }) {
  const { point } = finding;
  const decimals = Math.min(3, sharedDecimals([{ value: point.value, low: point.low, high: point.high, n: point.n ?? 0, coverage: null }]));
  const facts: [string, string][] = [
    ["value", point.value === null ? "not enough data" : `${fixed(point.value, decimals)}${point.low === null ? "" : ` (${interval(point.low, point.high, decimals)})`}`],
    ["reference", point.reference === null ? "–" : fixed(point.reference, decimals)],
    ["n", point.n === null ? "–" : count(point.n)],
    ["labels for", point.coverage === null ? "–" : percent(point.coverage, 0)],
    ["p, against its share", finding.alpha === null ? pText(point.p_value) : `${pText(point.p_value)}, against ${short(finding.alpha, 2)}`],
    ["seen with 80 % power", point.detectable === null ? "–" : short(point.detectable, 3)],
  ];
  return (
    <article className="finding">
      <header>
        <Chip verdict={finding.verdict} />
        <h3>
          <bdi>{whatOf(finding)}</bdi>
        </h3>
        <span className="hint">
          <bdi>{finding.monitor}</bdi>, {finding.source}
        </span>
      </header>
      <p>{inZone(finding.words, clock)}</p>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </article>
  );
}

/** Each check that raised something, against its share of the false-alarm budget: how far beyond it the evidence went. */
function Budget({ findings }: { findings: Finding[] }) {
  const spent = findings.filter((f) => f.alpha !== null && f.point.p_value !== null);
  if (!spent.length) return null;
  const total = spent.reduce((sum, f) => sum + (f.alpha ?? 0), 0);
  return (
    <p className="budget-words">
      <b>Budget.</b> {spent.length === 1 ? "This check" : `These ${spent.length} checks`} may raise a false alarm in {percent(total, total < 0.001 ? 3 : 2)} of the windows in which nothing
      is wrong; {spent.filter((f) => (f.point.p_value ?? 1) <= (f.alpha ?? 0)).length} went beyond.
    </p>
  );
}

const jumpOf = (one: Explanation) => one.jump ?? one.effect;
const far = (n: Num, unit: string | null) => (n === null ? "–" : unit === "share" ? percent(n) : `${short(n, 3)}${unit ? `\u202f${unit}` : ""}`);

/** How far a column lies from its reference, in the measure that its words speak of. */
function farOf({ title, unit, now, earlier }: Explanation): string {
  if (now === null) return "";
  return `${title ?? "Distance"} ${far(now, unit)}${earlier === null ? "" : `, ${far(earlier, unit)} before`}. `;
}

function Explaining({ incident }: { incident: Incident }) {
  const most = Math.max(...incident.columns.map((c) => jumpOf(c) ?? 0), 1e-9);
  if (!incident.columns.length) return null;
  const lead = `What moved at the same time, the strongest first: by how much further from the reference it lies than before, set against the smallest change of its kind that matters${incident.columns.length > 1 ? " (bars grow with the square root)" : ""}. Moving together is no proof.`;
  return (
    <Section id="columns" title="Columns that may explain it" lead={lead}>
      <ol className="figure explain">
        {incident.columns.map((one) => (
          <li key={one.column}>
            <Link to={pathTo("column", incident.environment, incident.model, one.column)}>
              <bdi>{one.column}</bdi>
            </Link>
            <span className="explain-bar" aria-hidden="true">
              <i style={{ width: `${Math.sqrt(Math.max(jumpOf(one) ?? 0, 0) / most) * 100}%` }} />
            </span>
            <span className="number">{one.further === null ? "–" : `+${far(one.further, one.unit)}`}</span>
            <p>
              {farOf(one)}
              {one.words}
            </p>
          </li>
        ))}
      </ol>
    </Section>
  );
}

function Entry({ entry, clock }: { entry: TimelineEntry; clock: string }) {
  return (
    <li className="entry" data-kind={entry.kind}>
      <time dateTime={entry.at ?? entry.wall} title={entry.at === entry.wall ? undefined : `seen ${when(entry.wall, clock)}`}>
        {when(entry.at ?? entry.wall, clock)}
      </time>
      <span className="entry-kind">{entry.kind}</span>
      <p>
        <bdi>{inZone(entry.text, clock)}</bdi>
        {entry.actor && (
          <small>
            {" "}
            by <bdi>{entry.actor}</bdi>
          </small>
        )}
      </p>
    </li>
  );
}

const GOOD: Record<string, "ok" | "warning" | "critical" | "not enough data"> = { sent: "ok", waiting: "not enough data", failing: "warning", dead: "critical" };

const toneOf = (one: Notification) => (one.state === "waiting" && one.error ? "warning" : (GOOD[one.state] ?? "not enough data")).replaceAll(" ", "-");

function Sent({ all, clock }: { all: Notification[]; clock: string }) {
  if (!all.length) return <p className="nothing">No rule sent anything.</p>;
  return (
    <ul className="sent">
      {all.map((one) => (
        <li key={`${one.key}${one.channel}`} className={toneOf(one)}>
          <b>
            <bdi>{one.channel}</bdi>
          </b>
          <span className="state">
            <span className="dot" aria-hidden="true" /> {one.state}
          </span>
          <small>
            {one.kind}, {when(one.sent ?? one.created, clock)}
            {one.attempts > 1 && `, ${one.attempts} attempts`}
          </small>
          {one.error && (
            <small>
              <bdi>{one.error}</bdi>
            </small>
          )}
        </li>
      ))}
    </ul>
  );
}

function Body({ view, again }: { view: IncidentView; again: () => void }) {
  const { incident } = view;
  const clock = useClock(view.zone);
  const admin = view.me.role === "admin";
  const marks = useMemo(
    (): TimeMark[] => [{ at: Date.parse(incident.opened) / 1000, until: null, kind: "incident", text: incident.title, severity: incident.severity, id: incident.id }],
    [incident],
  );
  const { start, end } = view.windows;
  const replayed = incident.opened_wall.slice(0, 16) !== incident.opened.slice(0, 16);
  const saveTimeline = () =>
    saveCsv(`incident-${incident.id}`, { header: ["at", "wall", "kind", "actor", "text"], rows: incident.timeline.map((e) => [e.at, e.wall, e.kind, e.actor, e.text]) });
  return (
    <ZoomProvider first={start[0] ?? 0} last={end.at(-1) ?? 1}>
      <PageHead
        title={incident.title}
        crumbs={[{ to: "/incidents", text: "Incidents" }, { to: pathTo("model", incident.environment, incident.model), text: incident.model }]}
        status={incident.severity}
        words={
          <>
            <StateWord incident={incident} /> · opened {when(incident.opened, clock)}
            {replayed && ` (seen ${when(incident.opened_wall, clock)})`}
            {incident.resolved && ` · lasted ${lasting(incident.opened, incident.resolved)}`}
            {incident.version && <> · version <bdi>{incident.version}</bdi></>}
            {` · times in ${clock}`}
          </>
        }
      >
        <Doing incident={incident} admin={admin} again={again} />
      </PageHead>
      <div className="two">
        <div>
          <Section id="evidence" title="Evidence">
            <div className="figure">
              {incident.findings.slice(0, 8).map((finding, i) => (
                <Evidence key={i} finding={finding} clock={clock} />
              ))}
              {!incident.findings.length && <p className="nothing">No finding is kept with it.</p>}
              <Budget findings={incident.findings} />
            </div>
            {view.charts.map((lines) => (
              <SeriesFigure
                key={`${lines.metric} ${lines.column} ${lines.segment}`}
                title={[lines.title, lines.column, lines.segment].filter(Boolean).join(", ")}
                hint={<Known lines={lines} restated={lines.realised !== null} />}
                windows={view.windows}
                lines={lines}
                marks={marks}
                clock={clock}
                height={240}
                name="measured"
              />
            ))}
          </Section>
          <Explaining incident={incident} />
        </div>
        <div>
          {incident.actions.length > 0 && (
            <Section id="actions" title="Actions">
              <Actions all={incident.actions} admin={admin} clock={clock} again={again} />
            </Section>
          )}
          <Section id="timeline" title="Timeline">
            <div className="figure">
              <ol className="entries">
                {incident.timeline.map((entry, i) => (
                  <Entry key={i} entry={entry} clock={clock} />
                ))}
              </ol>
              <p className="save">
                <button type="button" onClick={saveTimeline} aria-label="Save the timeline as CSV">
                  CSV
                </button>
              </p>
            </div>
          </Section>
          <Section id="notifications" title="Notifications">
            <div className="figure">
              <Sent all={incident.notifications} clock={clock} />
            </div>
          </Section>
        </div>
      </div>
    </ZoomProvider>
  );
}

export function IncidentPage({ id }: { id: string }) {
  const params = useMemo(() => ({ id }), [id]);
  const shown = useView("incident", params, { what: WHAT });
  return (
    <Await shown={shown} what={`incident ${id}`} back={{ to: "/incidents", text: "Incidents" }}>
      {(view) => <Body view={view} again={shown.again} />}
    </Await>
  );
}
