/** One zoom for all charts of a page, kept in the address as the moments at its ends. */
import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { useChoice } from "../../base/state";
import type { Zoom } from "../../charts/EChart";

const ALL: Zoom = [0, 100];
const Context = createContext<{ zoom: Zoom; setZoom: (zoom: Zoom) => void }>({ zoom: ALL, setZoom: () => undefined });

export function ZoomProvider({ first, last, children }: { first: number; last: number; children: ReactNode }) {
  const [told, tell] = useChoice("zoom", "");
  const given = useMemo((): Zoom => {
    const [from, to] = told.split("-").map(Number);
    if (!(last > first) || !(Number(to) > Number(from))) return ALL;
    const place = (at: number) => Math.min(100, Math.max(0, ((at - first) / (last - first)) * 100));
    const found: Zoom = [place(from ?? 0), place(to ?? 0)];
    return found[1] - found[0] > 0.1 ? found : ALL;
  }, [told, first, last]);
  const [zoom, setZoom] = useState(given);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setZoom(given), [given]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const value = useMemo(() => {
    const set = (next: Zoom) => {
      setZoom(next);
      clearTimeout(timer.current);
      const moment = (percent: number) => Math.round(first + ((last - first) * percent) / 100);
      const whole = next[0] < 0.05 && next[1] > 99.95;
      timer.current = setTimeout(() => tell(whole ? "" : `${moment(next[0])}-${moment(next[1])}`), 250);
    };
    return { zoom, setZoom: set };
  }, [zoom, first, last, tell]);
  return <Context value={value}>{children}</Context>;
}

export const useZoom = () => useContext(Context);
