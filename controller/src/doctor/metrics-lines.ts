/** One series of a Prometheus page or of Envoy's `/stats`. */
export interface Series {
  readonly name: string;
  /** As they stand on the page, braces and all; empty without any. */
  readonly labels: string;
  readonly value: number;
}

/** The lines of a Prometheus page that carry a number; everything else is passed over. */
export function readSeries(page: string): readonly Series[] {
  return page.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line) ?? [];
    return name === undefined || value === undefined || Number.isNaN(Number(value))
      ? []
      : [{ name, labels, value: Number(value) }];
  });
}

/** The value of a label within `Series.labels`; undefined without it. */
export function labelOf(labels: string, label: string): string | undefined {
  return new RegExp(`[{,]${label}="((?:[^"\\\\]|\\\\.)*)"`).exec(labels)?.[1];
}

/** Counters and gauges of Envoy's `/stats`, by name; histograms are passed over. */
export function readStats(page: string): ReadonlyMap<string, number> {
  return new Map(
    page.split("\n").flatMap((line) => {
      const [, name, value] = /^(.*): (\d+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(value)] as const];
    }),
  );
}
