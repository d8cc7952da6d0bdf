/** One line of a page in the text format of Prometheus. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gy;

/** The samples of a page; the packaged parser merges the histograms of a family. @throws Error for a line that is none. */
export function samplesOf(page: string): readonly Sample[] {
  return page
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name, labels, value] = LINE.exec(line) ?? [];
      if (name === undefined) throw new Error(`not a sample: ${line}`);
      return { name, labels: labelsOf(labels ?? "", line), value: Number(value) };
    });
}

function labelsOf(text: string, line: string): Readonly<Record<string, string>> {
  const found = [...text.matchAll(LABEL)];
  if (found.reduce((length, [match]) => length + match.length, 0) !== text.length) {
    throw new Error(`not labels: ${line}`);
  }
  return Object.fromEntries(
    found.map(([, key, value]) => [
      key!,
      value!.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char)),
    ]),
  );
}

/** The value of the series of exactly these labels; undefined if there is none. */
export function sampleValue(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  return samples.find((sample) => {
    const names = Object.keys(labels);
    return (
      sample.name === name &&
      Object.keys(sample.labels).length === names.length &&
      names.every((each) => sample.labels[each] === labels[each])
    );
  })?.value;
}
