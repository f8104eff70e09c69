import { count, fixed, short } from "../base/format";
import { floors, pText } from "../base/judge";
import { decimalsOf, gapText } from "../base/tell";
import type { Check, MetricRow } from "../view";

/** What a verdict rests on: the words, and the four numbers behind them. */
export function Evidence({ check, row }: { check: Check; row?: MetricRow }) {
  const decimals = row ? decimalsOf(row) + 1 : 3;
  const unit = row?.unit ?? null;
  const times = floors(check);
  const n = row ? [row.reference, row.current].map((e) => (e ? count(e.n) : "–")).join(" → ") : null;
  return (
    <div className="evidence">
      <p>{check.words}</p>
      {row && gapText(row) && <p>{gapText(row)}</p>}
      <dl>
        {check.floor !== null && (
          <div>
            <dt>smallest effect that matters</dt>
            <dd>
              {fixed(check.floor, decimals, unit)}
              {times !== null && times > 0 && ` (this is ${short(Number(times.toPrecision(2)))}×)`}
            </dd>
          </div>
        )}
        {check.p_value !== null && (
          <div>
            <dt>p, against its share of the budget</dt>
            <dd>
              {pText(check.p_value)}
              {check.alpha !== null && `, against ${short(check.alpha)}`}
            </dd>
          </div>
        )}
        {check.detectable !== null && (
          <div>
            <dt>would have been seen with 80 % power</dt>
            <dd>{fixed(check.detectable, decimals, unit)}</dd>
          </div>
        )}
        {n && (
          <div>
            <dt>n</dt>
            <dd>{n}</dd>
          </div>
        )}
      </dl>
    </div>
  );
}
