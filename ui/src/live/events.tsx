/** What changed on the server, as it happens; and whether we would know. */
import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

export interface Change {
  what: "measured" | "incident" | "action" | "channel" | "monitors" | "serving" | "everything";
  model: string | null;
  environment: string | null;
}
export type Line = "connecting" | "live" | "reconnecting" | "ended";
type Listener = (change: Change) => void;

interface Events {
  line: Line;
  listen: (listener: Listener) => () => void;
}

const Context = createContext<Events>({ line: "connecting", listen: () => () => undefined });
const AGAIN = 5_000;

/** Follows the server's events for as long as somebody is logged in. A line that broke and came back means: fetch everything. */
export function EventsProvider({ children, on }: { children: ReactNode; on: boolean }) {
  const [line, setLine] = useState<Line>("connecting");
  const listeners = useRef(new Set<Listener>());
  useEffect(() => {
    if (!on) return undefined;
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let broken = false;
    const tell = (change: Change) => listeners.current.forEach((listener) => listener(change));
    const everything = () => tell({ what: "everything", model: null, environment: null });
    const onChange = (event: MessageEvent<string>) => tell(JSON.parse(event.data) as Change);
    const connect = () => {
      const made = new EventSource("/api/v1/events");
      source = made;
      made.addEventListener("change", onChange);
      made.addEventListener("reset", everything);
      made.onopen = () => {
        setLine("live");
        if (broken) everything();
        broken = false;
      };
      made.onerror = () => {
        broken = true;
        setLine("reconnecting");
        if (made.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
        made.close();
        timer = setTimeout(connect, AGAIN);
      };
    };
    connect();
    return () => {
      clearTimeout(timer);
      source?.close();
      setLine("connecting");
    };
  }, [on]);
  const value = useMemo(
    () => ({
      line: on ? line : ("ended" as const),
      listen: (listener: Listener) => {
        listeners.current.add(listener);
        return () => void listeners.current.delete(listener);
      },
    }),
    [line, on],
  );
  return <Context value={value}>{children}</Context>;
}

export const useLine = () => useContext(Context).line;

/** Calls back for each change, with the newest callback and without following anew. */
export function useChanges(listener: Listener): void {
  const { listen } = useContext(Context);
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => listen((change) => newest.current(change)), [listen]);
}
