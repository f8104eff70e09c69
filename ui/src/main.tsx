import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles/base.css";
import "./styles/page.css";
import "./styles/charts.css";
import "./styles/columns.css";
import "./styles/print.css";
import type { View } from "./view";

const FORMAT = "watchkeeper.view/1";

function read(): View | null {
  const text = document.getElementById("watchkeeper-view")?.textContent ?? "null";
  return JSON.parse(text) as View | null;
}

function Problem({ view }: { view: View | null }) {
  const found =
    view === null
      ? "This page holds no document."
      : `This page draws ${FORMAT}, and the document is ${String(view.format)} (${String(view.kind)}).`;
  return (
    <main>
      <p className="nothing">{found} Make the report again with one version of Watchkeeper.</p>
    </main>
  );
}

const root = document.getElementById("root");
const view = read();
const fits = view !== null && view.format === FORMAT && view.kind === "compare";
if (root) createRoot(root).render(<StrictMode>{fits ? <App view={view} /> : <Problem view={view} />}</StrictMode>);
