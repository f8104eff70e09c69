/** The parts of a report that are of outcomes, drawn as a report draws them; loaded when they come near, with ECharts. */
import { Calibration } from "../../../sections/Calibration";
import { Classes } from "../../../sections/Classes";
import { Curves } from "../../../sections/Curves";
import { Errors, Lists } from "../../../sections/Errors";
import type { OutcomeView } from "../../documents";

export default function OutcomeParts({ view }: { view: OutcomeView }) {
  const drawn = { ...view, performance: [], segments: [] };
  return (
    <>
      <Errors view={drawn} />
      <Lists view={drawn} />
      <Curves view={drawn} />
      <Calibration view={drawn} />
      <Classes view={drawn} />
    </>
  );
}
