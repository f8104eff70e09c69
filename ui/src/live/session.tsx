/** Who is at the page. Nobody is until the server says so; a session that ended leads back to the login. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { Refused, read, send, wordsOf } from "./asking";
import type { Me } from "./documents";

export type State = "asking" | "out" | "in";
interface Session {
  state: State;
  me: Me | null;
  trouble: string | null;
  begin: (how: { key: string } | { token: string }) => Promise<void>;
  end: () => void;
  leave: () => Promise<void>;
}

const Context = createContext<Session>({
  state: "asking",
  me: null,
  trouble: null,
  begin: () => Promise.resolve(),
  end: () => undefined,
  leave: () => Promise.resolve(),
});
const LINK = /^#(?:token=)?(wko_[0-9a-z]+)$/i;

/** The token of a login link, taken out of the address at once: it is good for one use, and nobody else's business. */
function tokenHere(): string | null {
  const found = LINK.exec(location.hash)?.[1] ?? null;
  if (found) history.replaceState(null, "", "/#/");
  return found;
}
const linked = tokenHere();

export function SessionProvider({ children }: { children: ReactNode }) {
  const [found, setFound] = useState<{ state: State; me: Me | null; trouble: string | null }>({
    state: "asking",
    me: null,
    trouble: null,
  });
  const begin = useCallback(async (how: { key: string } | { token: string }) => {
    const me = await send<Me>("POST", "session", how);
    if (location.pathname !== "/") history.replaceState(null, "", `/${location.hash || "#/"}`);
    setFound({ state: "in", me, trouble: null });
  }, []);
  const end = useCallback(() => setFound({ state: "out", me: null, trouble: null }), []);
  const leave = useCallback(async () => {
    await send("DELETE", "session").catch(() => undefined);
    end();
  }, [end]);
  useEffect(() => {
    const ask = linked ? begin({ token: linked }) : read("session", {}).then((text) => setFound({ state: "in", me: JSON.parse(text) as Me, trouble: null }));
    ask.catch((error: unknown) => {
      const silent = error instanceof Refused && error.status === 401 && !linked;
      setFound({ state: "out", me: null, trouble: silent ? null : wordsOf(error) });
    });
  }, [begin]);
  const value = useMemo(() => ({ ...found, begin, end, leave }), [found, begin, end, leave]);
  return <Context value={value}>{children}</Context>;
}

export const useSession = () => useContext(Context);
