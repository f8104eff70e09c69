import type { ReactNode } from "react";
import { bytes, count, percent } from "../base/format";
import { momentText, spanText, wall, type Clock } from "../base/time";
import { Chip } from "../charts/Chip";
import type { CompareView, Side } from "../view";

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function SideCard({ side, which, clock }: { side: Side; which: "reference" | "current"; clock: Clock }) {
  return (
    <article className={`side ${which}`} aria-label={which}>
      <h3>
        <span className="swatch" aria-hidden="true" />
        {which}
      </h3>
      <p className="side-name" title={side.name}>
        <bdi>{side.name}</bdi>
      </p>
      <dl>
        <Fact name="rows">{count(side.rows)}</Fact>
        <Fact name="time">{spanText(side.start, side.end, clock)}</Fact>
        <Fact name="labels">
          {side.coverage === null ? "none" : percent(side.coverage)}
          {side.coverage !== null && (
            <span className="meter" aria-hidden="true">
              <i style={{ width: `${side.coverage * 100}%` }} />
            </span>
          )}
        </Fact>
        <Fact name="profile">{bytes(side.bytes)}</Fact>
      </dl>
    </article>
  );
}

function Notices({ notices }: { notices: string[] }) {
  if (!notices.length) return null;
  return (
    <details className="notices">
      <summary>
        {notices.length === 1 ? "1 notice" : `${notices.length} notices`}: what was left out, guessed or counted apart
      </summary>
      <ul>
        {notices.map((notice, i) => (
          <li key={i}>{notice}</li>
        ))}
      </ul>
    </details>
  );
}

export function Header({ view, clock }: { view: CompareView; clock: Clock }) {
  const { budget } = view;
  return (
    <header className="top" id="summary">
      <div className="top-text">
        <p className="title">
          <bdi>{view.title}</bdi>
        </p>
        <h1>{view.headline}</h1>
        <p className="verdict-line">
          <Chip verdict={view.verdict} large />
          <span className="made">
            made {momentText(wall(view.created, clock))}, {clock === "UTC" ? "UTC" : clock}
          </span>
        </p>
        {view.sentences.length > 0 && (
          <div className="prose">
            {view.sentences.map((sentence, i) => (
              <p key={i}>{sentence}</p>
            ))}
          </div>
        )}
      </div>
      <div className="sides">
        <SideCard side={view.reference} which="reference" clock={clock} />
        <SideCard side={view.current} which="current" clock={clock} />
      </div>
      <div className="budget">
        <p>
          <b>False-alarm budget {percent(budget.alpha, 0)}</b> over {count(budget.checks)}{" "}
          {budget.checks === 1 ? "check" : "checks"}. {budget.words}
        </p>
        <Notices notices={view.notices} />
      </div>
    </header>
  );
}
