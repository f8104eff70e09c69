import { useRef, type RefObject } from "react";
import { count, fixed } from "../base/format";
import { savePng, svgAddress, type Cell } from "../base/save";
import { MOST_CLASSES, Confusion } from "../charts/Confusion";
import { Figure, Legend } from "../charts/Figure";
import { Reliability } from "../charts/Reliability";
import type { CalibrationBin, CompareView } from "../view";
import { Section } from "./Section";

const SIDES = ["reference", "current"] as const;

async function saveSvg(title: string, ref: RefObject<SVGSVGElement | null>): Promise<void> {
  const svg = ref.current;
  if (svg) await savePng(title, svgAddress(svg, svg.clientWidth, svg.clientHeight), svg.clientWidth, svg.clientHeight);
}

function spoken(bins: CalibrationBin[], side: string): string {
  const known = bins.filter((bin) => bin.rate !== null && bin.score !== null);
  const worst = known.toSorted(
    (a, b) => Math.abs((b.rate ?? 0) - (b.score ?? 0)) - Math.abs((a.rate ?? 0) - (a.score ?? 0)),
  )[0];
  return worst
    ? `${side}: furthest from the diagonal at score ${fixed(worst.score, 2)}, which came true ${fixed(worst.rate, 2)}.`
    : `${side}: not enough data.`;
}

function CalibrationFigure({ sides }: { sides: NonNullable<CompareView["calibration"]> }) {
  const picture = useRef<SVGSVGElement>(null);
  const title = "Reliability";
  const csv = () => ({
    header: ["side", "lower", "upper", "n", "score", "rate", "low", "high"],
    rows: SIDES.flatMap((side) =>
      sides[side].map((b): Cell[] => [side, b.lower, b.upper, b.n, b.score, b.rate, b.low, b.high]),
    ),
  });
  const label = `Reliability diagram. ${SIDES.map((side) => spoken(sides[side], side)).join(" ")}`;
  return (
    <Figure
      title={title}
      csv={csv}
      png={() => saveSvg(title, picture)}
      hint={
        <Legend
          items={[
            ["reference", "reference"],
            ["current", "current"],
          ]}
        />
      }
    >
      <Reliability sides={sides} picture={picture} label={label} />
      <p className="note">
        How often it came true, by score; on the dashed line scores are probabilities. Bars: share of rows, on a
        square-root scale.
      </p>
    </Figure>
  );
}

function ConfusionFigure({ matrices }: { matrices: NonNullable<CompareView["confusion"]> }) {
  const picture = useRef<SVGSVGElement>(null);
  const title = "Confusion";
  const { classes } = matrices;
  const csv = () => ({
    header: ["side", "label", "prediction", "n"],
    rows: SIDES.flatMap((side) =>
      classes.flatMap((label, i) =>
        classes.map((prediction, j): Cell[] => [side, label, prediction, matrices[side][i]?.[j] ?? 0]),
      ),
    ),
  });
  const said = SIDES.map(
    (side) =>
      `${side}: ${classes
        .slice(0, MOST_CLASSES)
        .map((label, i) => `${label} predicted right ${count(matrices[side][i]?.[i] ?? 0)} times`)
        .join(", ")}`,
  );
  const left = classes.length - MOST_CLASSES;
  return (
    <Figure title={title} hint="rows are labels, columns predictions" csv={csv} png={() => saveSvg(title, picture)}>
      <Confusion matrices={matrices} picture={picture} label={`Confusion matrices. ${said.join(". ")}.`} />
      <p className="note">
        The depth of a tile is its share of its row.{left > 0 && ` ${left} more classes are in the CSV.`}
      </p>
    </Figure>
  );
}

export function Calibration({ view }: { view: Pick<CompareView, "calibration" | "confusion" | "positive"> }) {
  const { calibration, confusion } = view;
  if (!calibration && !confusion) return null;
  return (
    <Section
      id="calibration"
      title={calibration ? "Calibration and confusion" : "Confusion"}
      lead={
        view.positive && (
          <>
            The positive class is{" "}
            <b>
              <bdi>{view.positive}</bdi>
            </b>
            .
          </>
        )
      }
    >
      <div className="pair">
        {calibration && <CalibrationFigure sides={calibration} />}
        {confusion && <ConfusionFigure matrices={confusion} />}
      </div>
    </Section>
  );
}
