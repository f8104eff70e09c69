/** Documents of pages: fetched, kept while they are shown, and fetched again when the server says that they changed. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Refused, addressOf, read, wordsOf, type Params } from "./asking";
import type { Documents, PageName } from "./documents";
import { useChanges, type Change } from "./events";
import { useSession } from "./session";

interface Kept {
  text: string;
  view: unknown;
}
const kept = new Map<string, Kept>();
const MOST = 40;
const PAUSE = 400; // a burst of changes is one fetch

function keep(key: string, text: string): Kept {
  const before = kept.get(key);
  const made = before?.text === text ? before : { text, view: JSON.parse(text) as unknown };
  kept.delete(key);
  kept.set(key, made);
  for (const old of kept.keys()) if (kept.size > MOST) kept.delete(old);
  return made;
}

export const forget = () => kept.clear();

export interface Shown<T> {
  view: T | null;
  trouble: string | null;
  missing: boolean; // there is no such thing, so that asking again would not help
  again: () => void;
}

export interface Concern {
  what: readonly Change["what"][];
  model?: string;
  environment?: string;
}

const concerns = (change: Change, { what, model, environment }: Concern) =>
  change.what === "everything" ||
  (what.includes(change.what) &&
    (!model || !change.model || change.model === model) &&
    (!environment || !change.environment || change.environment === environment));

/** The document of a page. What is shown stays until its successor is there, so nothing jumps; an equal one changes nothing. */
export function useView<P extends PageName>(page: P, params: Params, concern: Concern, on = true): Shown<Documents[P]> {
  const key = useMemo(() => addressOf(`views/${page}`, params), [page, params]);
  const [shown, setShown] = useState<{ key: string; kept: Kept | undefined; trouble: string | null; missing: boolean }>(() => ({
    key,
    kept: kept.get(key),
    trouble: null,
    missing: false,
  }));
  const { end } = useSession();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  useChanges((change) => {
    if (!on || !concerns(change, concern)) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(again, PAUSE);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!on) return undefined;
    const stop = new AbortController();
    read(`views/${page}`, params, stop.signal).then(
      (text) => {
        if (stop.signal.aborted) return;
        const found = keep(key, text);
        setShown((now) => (now.key === key && now.kept === found && !now.trouble ? now : { key, kept: found, trouble: null, missing: false }));
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        if (error instanceof Refused && error.status === 401) end();
        else setShown((now) => ({ key, kept: now.key === key ? now.kept : kept.get(key), trouble: wordsOf(error), missing: error instanceof Refused && error.status === 404 }));
      },
    );
    return () => stop.abort();
  }, [page, params, key, turn, on, end]);
  const current = shown.key === key ? shown.kept : kept.get(key);
  const view = (current ?? (shown.key === key ? undefined : shown.kept))?.view as Documents[P] | undefined;
  const said = shown.key === key ? shown : null;
  return { view: view ?? null, trouble: said?.trouble ?? null, missing: said?.missing ?? false, again };
}
