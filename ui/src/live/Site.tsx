/** The live page: who is in, where they are, and the frame around every page. */
import { useEffect, useRef } from "react";
import { ChoicesProvider, useChoice } from "../base/state";
import { ThemeProvider } from "../base/theme";
import { Tips } from "../base/tip";
import { prepareCharts } from "./charts/SeriesFigure";
import { EventsProvider } from "./events";
import { ColumnPage } from "./pages/ColumnPage";
import { Fleet } from "./pages/Fleet";
import { IncidentPage } from "./pages/IncidentPage";
import { Incidents } from "./pages/Incidents";
import { Login } from "./pages/Login";
import { ModelPage } from "./pages/ModelPage";
import { MonitorsPage } from "./pages/MonitorsPage";
import { Settings } from "./pages/Settings";
import { Notices } from "./parts/Notices";
import { TopBar } from "./parts/TopBar";
import { EVERYWHERE, usePlace } from "./places";
import { SessionProvider, useSession } from "./session";

function Here() {
  const { page, parts } = usePlace();
  const [environment = "production", model = "", column = ""] = parts;
  const key = parts.join("/");
  if (page === "fleet") return <Fleet />;
  if (page === "model" && model) return <ModelPage key={key} model={model} environment={environment} />;
  if (page === "column" && column) return <ColumnPage key={key} model={model} environment={environment} column={column} />;
  if (page === "monitors" && model) return <MonitorsPage key={key} model={model} environment={environment} />;
  if (page === "incidents") return <Incidents />;
  if (page === "incident" && Number(environment) > 0) return <IncidentPage key={key} id={environment} />;
  if (page === "settings") return <Settings />;
  return <p className="nothing">There is no such page.</p>;
}

function Inside() {
  const { state } = useSession();
  const { page, parts } = usePlace();
  const inside = state === "in";
  const place = [page, ...parts].join("/");
  const seen = useRef("");
  useEffect(() => {
    document.documentElement.dataset.ready = state === "asking" ? "" : "true";
    if (inside) prepareCharts();
  }, [state, inside]);
  useEffect(() => {
    // A link to another page begins at its top, and the keyboard goes on from there; a page that was just opened does by itself.
    const before = seen.current;
    seen.current = inside ? place : state === "out" ? "login" : "";
    if (!inside || !before || before === place) return;
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [place, inside, state]);
  return (
    <EventsProvider on={inside}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the content
      </a>
      {inside && <TopBar />}
      <main id="main" tabIndex={-1}>
        {state === "out" && <Login />}
        {inside && <Here />}
      </main>
      <Tips />
    </EventsProvider>
  );
}

/** Names of models and columns stand as they are written. */
function titleOf(page: string, [first, model, column]: string[]): string {
  if (page === "incident") return `Incident ${first ?? ""}`;
  const own = model && (page === "model" || page === "column") ? "" : `${page.charAt(0).toUpperCase()}${page.slice(1)}`;
  return [column, own, model].filter(Boolean).join(" · ");
}

function Titled() {
  const { page, parts } = usePlace();
  const [zone] = useChoice("zone", "local", ["local", "utc"]);
  useEffect(() => {
    document.title = `${titleOf(page, parts)} · Watchkeeper`;
  }, [page, parts, zone]);
  return null;
}

export function Site() {
  return (
    <ChoicesProvider remembered={EVERYWHERE}>
      <ThemeProvider>
        <SessionProvider>
          <Notices>
            <Titled />
            <Inside />
          </Notices>
        </SessionProvider>
      </ThemeProvider>
    </ChoicesProvider>
  );
}
