import { useEffect, useState, type MouseEvent } from "react";
import { hashOf, useChoice, useChoices } from "../base/state";
import { useTheme } from "../base/theme";
import { Chip } from "../charts/Chip";
import type { CompareView } from "../view";

const TITLES: [string, string][] = [
  ["summary", "Summary"],
  ["performance", "Performance"],
  ["time", "Over time"],
  ["errors", "Errors"],
  ["lists", "Lists"],
  ["curves", "Curves"],
  ["calibration", "Calibration"],
  ["classes", "Classes"],
  ["segments", "Segments"],
  ["weak", "Weak segments"],
  ["rules", "Rules"],
  ["columns", "Columns"],
  ["together", "Together"],
];

/** The sections that this document has, found after they were drawn. */
function usePresent(): [string, string][] {
  const [present, setPresent] = useState<[string, string][]>([]);
  useEffect(() => setPresent(TITLES.filter(([id]) => document.getElementById(id))), []);
  return present;
}

function Links() {
  const { choices, choose } = useChoices();
  const present = usePresent();
  const go = (event: MouseEvent, id: string) => {
    event.preventDefault();
    choose({ at: id });
    document.getElementById(id)?.scrollIntoView();
  };
  return (
    <nav aria-label="sections">
      {present.map(([id, title]) => (
        <a key={id} href={hashOf({ ...choices, at: id })} onClick={(event) => go(event, id)}>
          {title}
        </a>
      ))}
    </nav>
  );
}

export function Bar({ view }: { view: CompareView }) {
  const { shade } = useTheme();
  const [, setTheme] = useChoice("theme", "auto");
  const [zone, setZone] = useChoice("zone", "local", ["local", "utc"]);
  const other = shade === "dark" ? "light" : "dark";
  return (
    <div className="bar">
      <span className="brand">Watchkeeper</span>
      <Links />
      <span className="bar-verdict">
        <Chip verdict={view.verdict} />
      </span>
      {view.zone && view.zone !== "UTC" && (
        <button
          type="button"
          className="toggle"
          aria-pressed={zone === "utc"}
          onClick={() => setZone(zone === "utc" ? "local" : "utc")}
          title={`Times are in ${zone === "utc" ? "UTC" : view.zone}`}
        >
          UTC
        </button>
      )}
      <button
        type="button"
        className="toggle"
        aria-label={`Switch to ${other}`}
        title={`Switch to ${other}`}
        onClick={() => setTheme(other)}
      >
        <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
          <circle cx="7" cy="7" r="5.5" fill="none" stroke="currentColor" strokeWidth="1.4" />
          <path d="M7 1.5a5.5 5.5 0 0 1 0 11Z" fill="currentColor" />
        </svg>
      </button>
    </div>
  );
}
