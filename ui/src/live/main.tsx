import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Site } from "./Site";
import "../styles/base.css";
import "../styles/page.css";
import "../styles/charts.css";
import "../styles/columns.css";
import "../styles/live.css";

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <Site />
    </StrictMode>,
  );
