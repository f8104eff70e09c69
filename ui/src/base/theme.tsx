/** Light and dark. Colours live in the style sheet; what draws on a canvas reads them from there. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { flushSync } from "react-dom";
import { useChoice } from "./state";

export type Shade = "light" | "dark";

const NAMES = [
  "paper",
  "card",
  "ink",
  "soft",
  "faint",
  "line",
  "reference",
  "current",
  "estimate",
  "ok",
  "warning",
  "critical",
  "unknown",
] as const;
export type Palette = Record<(typeof NAMES)[number], string>;

const Context = createContext<{ shade: Shade; palette: Palette }>({ shade: "light", palette: {} as Palette });

/** Reads a colour the way the browser resolved it, since light-dark() means nothing to a canvas. */
export function resolveColour(name: string): string {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function useSystemShade(): Shade {
  const query = useMemo(() => matchMedia("(prefers-color-scheme: dark)"), []);
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const follow = () => setDark(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, [query]);
  return dark ? "dark" : "light";
}

/** True while the page is being printed: paper is always light. */
function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true)); // the print starts as soon as this returns
    const end = () => setPrinting(false);
    addEventListener("beforeprint", begin);
    addEventListener("afterprint", end);
    return () => {
      removeEventListener("beforeprint", begin);
      removeEventListener("afterprint", end);
    };
  }, []);
  return printing;
}

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [chosen] = useChoice("theme", "auto", ["auto", "light", "dark"]);
  const system = useSystemShade();
  const printing = usePrinting();
  const shade = printing ? "light" : chosen === "auto" ? system : (chosen as Shade);
  const value = useMemo(() => {
    document.documentElement.dataset.theme = shade; // before the colours are read, in the same pass
    return { shade, palette: Object.fromEntries(NAMES.map((name) => [name, resolveColour(`--${name}`)])) as Palette };
  }, [shade]);
  return <Context value={value}>{children}</Context>;
}

export const useTheme = () => useContext(Context);
