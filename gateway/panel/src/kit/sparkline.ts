// Geometry of a sparkline: runs of known values become lines, runs of unknown values become gaps.

export interface Drawn {
  lines: string[];
  dots: { x: number; y: number }[];
  gaps: { x: number; width: number }[];
  /** The way to the value that still grows. */
  running: string | null;
}

const PADDING = 3;

/** `running` is the place of the value that still grows; what lies behind it is to come and not missing. */
export function sparkline(values: (number | null)[], width: number, height: number, running: number | null = null): Drawn {
  const drawn: Drawn = { lines: [], dots: [], gaps: [], running: null };
  if (values.length === 0) return drawn;
  const known = values.filter((value): value is number => value !== null);
  const top = Math.max(1, ...known);
  const stepX = values.length > 1 ? (width - 2 * PADDING) / (values.length - 1) : 0;
  const x = (index: number) => round(PADDING + index * stepX);
  const y = (value: number) => round(height - PADDING - (value / top) * (height - 2 * PADDING));

  for (const run of runs(values)) {
    if (!run.known) {
      if (running !== null && run.start >= running) continue;
      const left = Math.max(0, x(run.start) - stepX / 2);
      drawn.gaps.push({ x: round(left), width: round(Math.min(width, x(run.end) + stepX / 2) - left) });
    } else if (run.start === run.end) {
      drawn.dots.push({ x: x(run.start), y: y(values[run.start] as number) });
    } else {
      const points: string[] = [];
      for (let index = run.start; index <= run.end; index += 1) {
        points.push(`${x(index)} ${y(values[index] as number)}`);
      }
      if (running !== null && running > run.start && running === run.end) {
        drawn.running = `M${points.slice(-2).join("L")}`;
        points.pop();
      }
      if (points.length > 1) drawn.lines.push(`M${points.join("L")}`);
    }
  }
  return drawn;
}

function runs(values: (number | null)[]): { known: boolean; start: number; end: number }[] {
  const found: { known: boolean; start: number; end: number }[] = [];
  values.forEach((value, index) => {
    const known = value !== null;
    const last = found[found.length - 1];
    if (last && last.known === known) last.end = index;
    else found.push({ known, start: index, end: index });
  });
  return found;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
