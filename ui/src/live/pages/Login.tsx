/** The door: a key pasted once becomes a session that no script can read. */
import { useState, type FormEvent } from "react";
import { wordsOf } from "../asking";
import { Toggles } from "../parts/TopBar";
import { useSession } from "../session";

export function Login() {
  const { begin, trouble } = useSession();
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const enter = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setSaid(null);
    try {
      await begin({ key: key.trim() });
    } catch (error) {
      setSaid(wordsOf(error));
      setBusy(false);
    }
  };
  const problem = said ?? trouble;
  return (
    <div className="login">
      <form onSubmit={(event) => void enter(event)} aria-labelledby="login-title">
        <p className="brand">Watchkeeper</p>
        <h1 id="login-title">Log in</h1>
        <label htmlFor="login-key">Key of a viewer or an admin</label>
        <input
          id="login-key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          value={key}
          autoFocus
          placeholder="wk_…"
          aria-invalid={problem ? true : undefined}
          aria-describedby="login-said login-help"
          onChange={(event) => setKey(event.target.value)}
        />
        <p id="login-said" className="login-said" role="alert">
          {problem}
        </p>
        <button type="submit" className="button main" disabled={busy || !key.trim()}>
          Log in
        </button>
        <p id="login-help" className="hint">
          Or open the link that <code>watchkeeper serve</code> prints when it starts; <code>watchkeeper login</code> makes another.
        </p>
      </form>
      <p className="login-toggles">
        <Toggles />
      </p>
    </div>
  );
}
