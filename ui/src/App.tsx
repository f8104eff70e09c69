import { useEffect } from "react";
import { ChoicesProvider, useChoice } from "./base/state";
import { ThemeProvider } from "./base/theme";
import { Tips } from "./base/tip";
import { Bar } from "./sections/Bar";
import { Calibration } from "./sections/Calibration";
import { Classes } from "./sections/Classes";
import { Columns } from "./sections/Columns";
import { Curves } from "./sections/Curves";
import { Errors, Lists } from "./sections/Errors";
import { Header } from "./sections/Header";
import { Performance } from "./sections/Performance";
import { Rules } from "./sections/Rules";
import { Segments } from "./sections/Segments";
import { Timeline } from "./sections/Timeline";
import { Together } from "./sections/Together";
import { Weak } from "./sections/Weak";
import type { CompareView } from "./view";

function Report({ view }: { view: CompareView }) {
  const [zone] = useChoice("zone", "local", ["local", "utc"]);
  const [at] = useChoice("at", "");
  const clock = zone === "utc" || !view.zone ? "UTC" : view.zone;
  // Only the link that the page was opened with may scroll it, not every later choice.
  useEffect(() => {
    if (at && at !== "summary") document.getElementById(at)?.scrollIntoView();
  }, []);
  useEffect(() => {
    document.documentElement.dataset.ready = "true";
  }, []);
  return (
    <>
      <Bar view={view} />
      <main>
        <Header view={view} clock={clock} />
        <Performance rows={view.performance} />
        <Timeline view={view} clock={clock} />
        <Errors view={view} />
        <Lists view={view} />
        <Curves view={view} />
        <Calibration view={view} />
        <Classes view={view} />
        <Segments view={view} />
        <Weak view={view} />
        <Rules view={view} />
        <Columns columns={view.columns} />
        <Together multivariate={view.multivariate} />
      </main>
      <footer>Made by Watchkeeper {view.watchkeeper}. This file holds everything it shows and fetches nothing.</footer>
      <Tips />
    </>
  );
}

export function App({ view }: { view: CompareView }) {
  return (
    <ChoicesProvider>
      <ThemeProvider>
        <Report view={view} />
      </ThemeProvider>
    </ChoicesProvider>
  );
}
