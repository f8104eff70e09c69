import { useChoice } from "../../base/state";
import { useTheme } from "../../base/theme";
import { dropDrafts } from "../drafts";
import { useLine } from "../events";
import { Link, usePlace } from "../places";
import { useSession } from "../session";
import { forget } from "../views";

const PAGES: [string, string, string[]][] = [
  ["fleet", "Fleet", ["fleet", "model", "column", "monitors"]],
  ["incidents", "Incidents", ["incidents", "incident"]],
  ["settings", "Settings", ["settings"]],
];
const WORDS = { connecting: "connecting", live: "live", reconnecting: "reconnecting", ended: "ended" };

/** Whether what is on the screen follows the server: the shape tells it as well as the colour and the word. */
function LiveState() {
  const line = useLine();
  return (
    <span className={`line-state ${line}`} role="status" title={line === "live" ? "Changes appear by themselves" : "What is shown may be old"}>
      <i aria-hidden="true" />
      {WORDS[line]}
    </span>
  );
}

export function Toggles() {
  const { shade } = useTheme();
  const [, setTheme] = useChoice("theme", "auto");
  const [zone, setZone] = useChoice("zone", "local", ["local", "utc"]);
  const other = shade === "dark" ? "light" : "dark";
  return (
    <>
      <button
        type="button"
        className="toggle"
        onClick={() => setZone(zone === "utc" ? "local" : "utc")}
        title={zone === "utc" ? "Times are in UTC; switch to each model's own zone" : "Times are in each model's own zone; switch to UTC"}
      >
        {zone === "utc" ? "UTC" : "Model time"}
      </button>
      <button type="button" className="toggle" aria-label={`Switch to ${other}`} title={`Switch to ${other}`} onClick={() => setTheme(other)}>
        <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
          <circle cx="7" cy="7" r="5.5" fill="none" stroke="currentColor" strokeWidth="1.4" />
          <path d="M7 1.5a5.5 5.5 0 0 1 0 11Z" fill="currentColor" />
        </svg>
      </button>
    </>
  );
}

export function TopBar() {
  const { page } = usePlace();
  const { me, leave } = useSession();
  const out = async () => {
    await leave();
    forget();
    dropDrafts();
  };
  return (
    <header className="bar live-bar">
      <Link to="/fleet" className="brand">
        Watchkeeper
      </Link>
      <nav aria-label="pages">
        {PAGES.map(([name, title, holds]) => (
          <Link key={name} to={`/${name}`} aria-current={holds.includes(page) ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      <LiveState />
      <Toggles />
      <button type="button" className="toggle leave" onClick={() => void out()} title={me ? `${me.name}, ${me.role} of ${me.project}` : ""}>
        Log out
      </button>
    </header>
  );
}
