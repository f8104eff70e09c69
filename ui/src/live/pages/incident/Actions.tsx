/** What is to be done about it, under a guard: what it would do, on what evidence, and the buttons of who may decide. */
import { send } from "../../asking";
import type { Action } from "../../documents";
import { useDoing } from "../../parts/Notices";
import { when } from "../../parts/clock";

const TONES: Record<string, string> = {
  promoted: "ok", kept: "ok", done: "ok", failed: "critical", unknown: "warning", "awaiting approval": "warning", running: "current", comparing: "current", proposed: "current",
}; // prettier-ignore
const ENDS = new Set(["promoted", "kept", "done", "failed", "refused", "stopped", "expired", "dry run"]);

const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 1).replaceAll(/["{}[\],]/g, "").replaceAll(/^\s*\n/gm, "").trim());
const digest = (evidence: unknown) => (typeof evidence === "string" ? evidence : JSON.stringify(evidence));

/** What came of it, in the sentence that it was given. */
function wordsIn(result: unknown): string | null {
  const words = typeof result === "object" && result !== null && "words" in result ? result.words : null;
  return typeof words === "string" ? words : null;
}

function Kept({ name, value }: { name: string; value: unknown }) {
  if (value === null || value === undefined || value === "") return null;
  return (
    <details>
      <summary>{name}</summary>
      <pre tabIndex={0}>{plain(value)}</pre>
    </details>
  );
}

function One({ action, admin, clock, again }: { action: Action; admin: boolean; clock: string; again: () => void }) {
  const { busy, run } = useDoing();
  const act = async (verb: "approve" | "refuse" | "stop", body: unknown, done: string) => {
    await run(() => send("POST", `actions/${encodeURIComponent(action.id)}/${verb}`, body), done);
    again();
  };
  const awaits = action.state === "awaiting approval" || action.state === "unknown";
  const runs = action.state === "running" || action.state === "comparing";
  return (
    <article className="action">
      <header>
        <h3>
          <bdi>{action.name}</bdi>
        </h3>
        <span className={`state ${TONES[action.state] ?? ""}`}>{action.state}</span>
      </header>
      <p className="hint">
        proposed {when(action.proposed, clock)}
        {action.author && <> under the monitors of <bdi>{action.author}</bdi></>}
        {action.approver && <> · decided by <bdi>{action.approver}</bdi></>}
        {!ENDS.has(action.state) && action.expires && ` · expires ${when(action.expires, clock)}`}
      </p>
      {wordsIn(action.result) && <p>{wordsIn(action.result)}</p>}
      {admin && (awaits || runs) && (
        <p className="buttons">
          {awaits && (
            <>
              <button type="button" className="button main" disabled={busy} onClick={() => void act("approve", { evidence: digest(action.evidence) }, "Approved.")}>
                Approve
              </button>
              <button type="button" className="button" disabled={busy} onClick={() => void act("refuse", undefined, "Refused.")}>
                Refuse
              </button>
            </>
          )}
          {runs && (
            <button type="button" className="button danger" disabled={busy} onClick={() => void act("stop", undefined, "Stopped.")}>
              Stop
            </button>
          )}
        </p>
      )}
      <Kept name="Rule" value={action.rule} />
      <Kept name="Request" value={action.request} />
      <Kept name="Result" value={action.result} />
      <Kept name="Log" value={action.log} />
    </article>
  );
}

export function Actions({ all, admin, clock, again }: { all: Action[]; admin: boolean; clock: string; again: () => void }) {
  return (
    <div className="figure">
      {all.map((action) => (
        <One key={action.id} action={action} admin={admin} clock={clock} again={again} />
      ))}
    </div>
  );
}
