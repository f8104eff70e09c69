/** What the reader has chosen, kept in the address so that a link reproduces the view: #name=value, or #/page?name=value. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

export type Choices = Record<string, string>;

interface Place {
  path: string;
  choices: Choices;
}

interface Store extends Place {
  choose: (change: Choices) => void;
}

const Context = createContext<Store>({ path: "", choices: {}, choose: () => undefined });

/** Choices that outlive the page, such as the theme of the live site; a saved report remembers none. */
type Remembered = readonly string[];
const KEY = "watchkeeper:";

function recalled(names: Remembered): Choices {
  const found = names.map((name): [string, string] => {
    try {
      return [name, localStorage.getItem(KEY + name) ?? ""];
    } catch {
      return [name, ""]; // a browser may keep nothing
    }
  });
  return Object.fromEntries(found.filter(([, value]) => value !== ""));
}

function read(names: Remembered): Place {
  const text = location.hash.slice(1);
  const [path = "", search = ""] = text.startsWith("/") ? text.split(/\?(.*)/s) : ["", text];
  return { path, choices: { ...recalled(names), ...Object.fromEntries(new URLSearchParams(search)) } };
}

export function hashOf(choices: Choices, path = ""): string {
  const kept = new URLSearchParams(Object.entries(choices).filter(([, value]) => value !== "")).toString();
  return path === "" ? `#${kept}` : `#${path}${kept && "?"}${kept}`;
}

function write({ path, choices }: Place, names: Remembered): void {
  try {
    if (hashOf(choices, path) !== location.hash && (location.hash !== "" || hashOf(choices, path) !== "#"))
      history.replaceState(history.state, "", hashOf(choices, path));
    for (const name of names) {
      if (choices[name]) localStorage.setItem(KEY + name, choices[name]);
      else localStorage.removeItem(KEY + name);
    }
  } catch {
    // Inside a notebook's frame there is no address to write to; the choices then last as long as the page.
  }
}

const NONE: Remembered = [];

export function ChoicesProvider({ children, remembered = NONE }: { children: ReactNode; remembered?: Remembered }) {
  const [place, setPlace] = useState(() => read(remembered));
  const choose = useCallback(
    (change: Choices) => setPlace(({ path, choices }) => ({ path, choices: { ...choices, ...change } })),
    [],
  );
  useEffect(() => write(place, remembered), [place, remembered]);
  useEffect(() => {
    const follow = () => setPlace(read(remembered));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, [remembered]);
  const store = useMemo(() => ({ ...place, choose }), [place, choose]);
  return <Context value={store}>{children}</Context>;
}

/** One choice and its setter; a value that is not offered any more falls back to the default. */
export function useChoice(
  name: string,
  fallback: string,
  offered?: readonly string[],
): [string, (value: string) => void] {
  const { choices, choose } = useContext(Context);
  const raw = choices[name] ?? fallback;
  const value = offered && !offered.includes(raw) ? fallback : raw;
  const set = useCallback(
    (next: string) => choose({ [name]: next === fallback ? "" : next }),
    [choose, name, fallback],
  );
  return [value === "" ? fallback : value, set];
}

export const useChoices = () => useContext(Context);
