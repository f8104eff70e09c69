/** What the reader has chosen, kept in the address so that a link reproduces the view. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

export type Choices = Record<string, string>;

interface Store {
  choices: Choices;
  choose: (change: Choices) => void;
}

const Context = createContext<Store>({ choices: {}, choose: () => undefined });

const read = (): Choices => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

export function hashOf(choices: Choices): string {
  const kept = Object.entries(choices).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(kept)}`;
}

function write(choices: Choices): void {
  try {
    history.replaceState(null, "", hashOf(choices));
  } catch {
    // Inside a notebook's frame there is no address to write to; the choices then last as long as the page.
  }
}

export function ChoicesProvider({ children }: { children: ReactNode }) {
  const [choices, setChoices] = useState(read);
  const choose = useCallback((change: Choices) => setChoices((before) => ({ ...before, ...change })), []);
  useEffect(() => write(choices), [choices]);
  useEffect(() => {
    const follow = () => setChoices(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const store = useMemo(() => ({ choices, choose }), [choices, choose]);
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
