/** Short words about what was just done, said aloud to who does not see the corner in which they stand. */
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";
import { wordsOf } from "../asking";

interface Notice {
  id: number;
  text: string;
  bad: boolean;
}
interface Telling {
  tell: (text: string, bad?: boolean) => void;
}

const Context = createContext<Telling>({ tell: () => undefined });
const LASTS = 6_000;

export function Notices({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<Notice[]>([]);
  const next = useRef(0);
  const drop = useCallback((id: number) => setShown((all) => all.filter((n) => n.id !== id)), []);
  const tell = useCallback(
    (text: string, bad = false) => {
      next.current += 1;
      const id = next.current;
      setShown((all) => [...all.slice(-2), { id, text, bad }]);
      if (!bad) setTimeout(() => drop(id), LASTS);
    },
    [drop],
  );
  const value = useMemo(() => ({ tell }), [tell]);
  return (
    <Context value={value}>
      {children}
      <div className="notices-corner" role="status" aria-live="polite">
        {shown.map(({ id, text, bad }) => (
          <p key={id} className={bad ? "notice bad" : "notice"}>
            <span>{text}</span>
            <button type="button" aria-label="Dismiss" onClick={() => drop(id)}>
              ×
            </button>
          </p>
        ))}
      </div>
    </Context>
  );
}

export const useTell = () => useContext(Context).tell;

/** Does something once at a time, and says how it went; what went wrong stays until it is dismissed. */
export function useDoing(): { busy: boolean; run: (what: () => Promise<unknown>, done: string) => Promise<boolean> } {
  const tell = useTell();
  const [busy, setBusy] = useState(false);
  const run = useCallback(
    async (what: () => Promise<unknown>, done: string) => {
      setBusy(true);
      try {
        await what();
        if (done) tell(done);
        return true;
      } catch (error) {
        tell(wordsOf(error), true);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [tell],
  );
  return { busy, run };
}
