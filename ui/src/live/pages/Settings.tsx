/** Who may do what: keys, channels, silences, the switch that halts actions, and what was done by whom. */
import { useMemo, useState, type FormEvent } from "react";
import { saveCsv } from "../../base/save";
import { useChoice } from "../../base/state";
import { Section } from "../../sections/Section";
import { read, send } from "../asking";
import type { AuditRecord, ChannelState, KeyShown, SettingsView, Silence } from "../documents";
import { useDoing, useTell } from "../parts/Notices";
import { Await, OperatorProblem, PageHead } from "../parts/Page";
import { useClock, when } from "../parts/clock";
import { Link, pathTo } from "../places";
import { useView } from "../views";

const NONE = {};
const CONCERN = { what: ["channel", "incident", "action", "monitors", "serving"] } as const;

interface PartProps {
  clock: string;
  admin: boolean;
  again: () => void;
}

function NewKey({ again }: { again: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("ingest");
  const [secret, setSecret] = useState<string | null>(null);
  const { busy, run } = useDoing();
  const make = async (event: FormEvent) => {
    event.preventDefault();
    const done = await run(async () => {
      const made = await send<{ secret: string }>("POST", "keys", { name: name.trim(), role });
      setSecret(made.secret);
      setName("");
    }, "");
    if (done) again();
  };
  return (
    <>
      <form className="inline-form" onSubmit={(event) => void make(event)}>
        <input type="text" value={name} placeholder="what the key is for" aria-label="name of the key" maxLength={200} onChange={(event) => setName(event.target.value)} />
        <select value={role} aria-label="role" onChange={(event) => setRole(event.target.value)}>
          <option value="ingest">ingest: sends rows, labels and references</option>
          <option value="viewer">viewer: looks</option>
          <option value="admin">admin: everything</option>
        </select>
        <button type="submit" className="button main" disabled={busy || !name.trim()}>
          Create key
        </button>
      </form>
      {secret && (
        <p className="secret" role="alert">
          <span>Copy it now; nobody is shown it again.</span> <code>{secret}</code>{" "}
          <button type="button" className="button" onClick={() => setSecret(null)}>
            I have it
          </button>
        </p>
      )}
    </>
  );
}

/** A button that asks once more before it does what cannot be undone. */
function Sure({ text, sure, onSure }: { text: string; sure: string; onSure: () => void }) {
  const [asked, setAsked] = useState(false);
  if (!asked)
    return (
      <button type="button" className="button small" onClick={() => setAsked(true)}>
        {text}
      </button>
    );
  return (
    <button type="button" className="button small danger" autoFocus onBlur={() => setAsked(false)} onClick={onSure}>
      {sure}
    </button>
  );
}

function Keys({ keys, clock, again }: { keys: KeyShown[] } & PartProps) {
  const { run } = useDoing();
  const revoke = async (key: KeyShown) => {
    await run(() => send("DELETE", `keys/${encodeURIComponent(key.id)}`), `Revoked ${key.name}.`);
    again();
  };
  return (
    <div className="figure">
      <NewKey again={again} />
      <div className="scroll">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">name</th>
              <th scope="col">role</th>
              <th scope="col">begins with</th>
              <th scope="col">last used</th>
              <th scope="col">
                <span className="sr">revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.map((key) => (
              <tr key={key.id} className={key.revoked ? "muted" : ""}>
                <th scope="row">
                  <bdi>{key.name}</bdi>
                </th>
                <td>{key.role}</td>
                <td>
                  <code>{key.prefix}…</code>
                </td>
                <td className="when-cell">{key.last_used ? when(key.last_used, clock) : "never"}</td>
                <td className="number">{key.revoked ? "revoked" : <Sure text="Revoke" sure="Revoke for ever?" onSure={() => void revoke(key)} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

const TONE: Record<string, string> = { fine: "ok", failing: "warning", "dead letters": "critical" };

function Channels({ channels, clock, admin, again }: { channels: ChannelState[] } & PartProps) {
  const { busy, run } = useDoing();
  const test = async (name: string) => {
    await run(() => send("POST", `channels/${encodeURIComponent(name)}/test`), `A test went through ${name}.`);
    again();
  };
  if (!channels.length) return <p className="figure nothing">No channel is set up in the operator's file.</p>;
  return (
    <div className="figure scroll-figure">
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">channel</th>
            <th scope="col">state</th>
            <th scope="col">last sent</th>
            <th scope="col">
              <span className="sr">test</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {channels.map((one) => (
            <tr key={one.name}>
              <th scope="row">
                <bdi>{one.name}</bdi> <small>{one.kind}</small>
              </th>
              <td className={TONE[one.state] ?? ""}>
                <span className="dot" aria-hidden="true" /> {one.state}
                {(one.waiting > 0 || one.dead > 0) && <small>{[one.waiting && `${one.waiting} wait`, one.dead && `${one.dead} given up`].filter(Boolean).join(", ")}</small>}
                {one.last_error && (
                  <small>
                    <bdi>{one.last_error}</bdi>
                  </small>
                )}
              </td>
              <td className="when-cell">{one.last_sent ? when(one.last_sent, clock) : "never"}</td>
              <td className="number">
                {admin && (
                  <button type="button" className="button small" disabled={busy} onClick={() => void test(one.name)} aria-label={`Send a test through ${one.name}`}>
                    Test
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Silences({ silences, clock, admin, again }: { silences: Silence[] } & PartProps) {
  const { busy, run } = useDoing();
  const end = async (one: Silence) => {
    await run(() => send("DELETE", `silences/${one.id}`), "The silence ended.");
    again();
  };
  if (!silences.length) return <p className="figure nothing">Nothing is silenced.</p>;
  return (
    <div className="figure scroll-figure">
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">what</th>
            <th scope="col">until</th>
            <th scope="col">why</th>
            <th scope="col">
              <span className="sr">end</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {silences.map((one) => (
            <tr key={one.id} className={one.ended ? "muted" : ""}>
              <th scope="row">
                <Link to={pathTo("model", one.environment, one.model)}>
                  <bdi>{one.model}</bdi>
                </Link>
                {one.monitor && <small><bdi>{one.monitor}</bdi> only</small>}
              </th>
              <td className="when-cell">{when(one.until, clock)}</td>
              <td>
                <bdi>{one.reason}</bdi>
                <small>
                  by <bdi>{one.author}</bdi>
                </small>
              </td>
              <td className="number">
                {admin && !one.ended && (
                  <button type="button" className="button small" disabled={busy} onClick={() => void end(one)}>
                    End
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Halting({ view, admin, again }: { view: SettingsView } & PartProps) {
  const { busy, run } = useDoing();
  const running = view.actions.filter((a) => a.state === "running" || a.state === "comparing");
  const waiting = view.actions.filter((a) => a.state === "awaiting approval" || a.state === "unknown");
  const set = async (verb: "halt" | "resume") => {
    await run(() => send("POST", `actions/${verb}`), verb === "halt" ? "No action starts any more." : "Actions may start again.");
    again();
  };
  return (
    <div className="figure">
      {view.halted !== null && (
        <p className="trouble">
          All actions were halted by <bdi>{view.halted}</bdi>; none starts until somebody resumes.
        </p>
      )}
      <p>
        {running.length} running, {waiting.length} waiting for a person.{" "}
        {waiting.map((a) => a.incident !== null && (
          <Link key={a.id} to={pathTo("incident", a.incident)}>
            <bdi>{a.name}</bdi> of incident {a.incident}{" "}
          </Link>
        ))}
      </p>
      {admin && (
        <p className="buttons">
          {view.halted === null ? (
            <Sure text="Halt all actions" sure="Halt them now?" onSure={() => void set("halt")} />
          ) : (
            <button type="button" className="button small" disabled={busy} onClick={() => void set("resume")}>
              Resume
            </button>
          )}
        </p>
      )}
    </div>
  );
}

function Audit({ records, clock }: { records: AuditRecord[]; clock: string }) {
  const [search, setSearch] = useChoice("audit", "");
  const tell = useTell();
  const { run } = useDoing();
  const found = useMemo(() => {
    const typed = search.trim().toLowerCase();
    return records.filter((r) => `${r.actor} ${r.what} ${r.target ?? ""}`.toLowerCase().includes(typed));
  }, [records, search]);
  const check = () =>
    run(async () => {
      const told = JSON.parse(await read("audit/check", {})) as { intact: boolean; first_broken: number | null };
      tell(told.intact ? "The log is as it was written." : `Record ${told.first_broken} is not as it was written.`, !told.intact);
    }, "");
  return (
    <div className="figure scroll-figure">
      <div className="filters">
        <input type="search" value={search} placeholder="Search the log" aria-label="Search the audit log" onChange={(event) => setSearch(event.target.value)} />
        <button type="button" className="button small" onClick={() => void check()}>
          Check it
        </button>
        <span className="save">
          <button type="button" aria-label="Save the audit log as CSV" onClick={() => saveCsv("audit", { header: ["seq", "at", "actor", "what", "target", "detail"], rows: found.map((r) => [r.seq, r.at, r.actor, r.what, r.target, JSON.stringify(r.detail)]) })}>
            CSV
          </button>
        </span>
      </div>
      <table className="plain audit">
        <thead>
          <tr>
            <th scope="col">when</th>
            <th scope="col">who</th>
            <th scope="col">what</th>
            <th scope="col">of what</th>
          </tr>
        </thead>
        <tbody>
          {found.map((r) => (
            <tr key={r.seq}>
              <td className="when-cell">{when(r.at, clock)}</td>
              <th scope="row">
                <bdi>{r.actor}</bdi>
              </th>
              <td>{r.what}</td>
              <td title={JSON.stringify(r.detail)}>
                <bdi>{r.target ?? ""}</bdi>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {!found.length && <p className="nothing">Nothing is like that.</p>}
    </div>
  );
}

function Body({ view, again }: { view: SettingsView; again: () => void }) {
  const clock = useClock(null);
  const admin = view.me.role === "admin";
  const part = { clock, admin, again };
  return (
    <>
      <PageHead title="Settings" words={<>{view.me.name}, {view.me.role} of the project <bdi>{view.me.project}</bdi> · times here are in UTC</>} />
      <OperatorProblem words={view.operator_problem} />
      {view.keys && (
        <Section id="keys" title="Keys">
          <Keys keys={view.keys} {...part} />
        </Section>
      )}
      <Section id="channels" title="Channels" lead="What they are stands in the operator's file beside the store, not here.">
        <Channels channels={view.channels} {...part} />
      </Section>
      <Section id="silences" title="Silences">
        <Silences silences={view.silences} {...part} />
      </Section>
      <Section id="actions" title="Actions" lead="Halting keeps every action of every project from starting, until somebody resumes.">
        <Halting view={view} {...part} />
      </Section>
      <Section id="audit" title="Audit" lead="Who did what. Each record bears the digest of the one before, so none can be changed unseen.">
        <Audit records={view.audit} clock={clock} />
      </Section>
    </>
  );
}

export function Settings() {
  const shown = useView("settings", NONE, CONCERN);
  return (
    <Await shown={shown} what="the settings">
      {(view) => <Body view={view} again={shown.again} />}
    </Await>
  );
}
