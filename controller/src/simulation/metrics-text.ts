/** Writes the Prometheus text format the way Python's client does. */
import type { Histogram } from "./histogram.ts";

/** `6` → `6.0`, `1795542373.6` → `1.7955423736e+09`: repr, with an exponent from seven digits on. */
export function pythonFloat(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  if (Number.isNaN(value)) return "NaN";
  const text = String(value);
  if (text.includes("e")) return text;
  const dot = text.indexOf(".");
  const whole = dot < 0 ? text : text.slice(0, dot);
  const fraction = dot < 0 ? "0" : text.slice(dot + 1);
  if (value <= 0 || whole.length <= 6) return `${whole}.${fraction}`;
  const digits = `${whole.slice(1)}${fraction}`.replace(/0+$/, "");
  const exponent = String(whole.length - 1).padStart(2, "0");
  return `${whole[0]}${digits === "" ? "" : `.${digits}`}e+${exponent}`;
}

/** A label value with backslash, quote and line feed escaped. */
export function labelValue(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
}

export class MetricsText {
  #text = "";

  family(name: string, type: "counter" | "gauge" | "histogram" | "summary", help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** @param labels rendered, without braces; empty for none */
  sample(name: string, labels: string, value: number): void {
    this.#text += labels === "" ? `${name} ` : `${name}{${labels}} `;
    this.#text += `${pythonFloat(value)}\n`;
  }

  /** A counter and the gauge that tells when it was created, as the client exports both. */
  counter(
    name: string,
    help: string,
    series: readonly (readonly [string, number])[],
    createdS: number,
  ): void {
    this.family(`${name}_total`, "counter", help);
    for (const [labels, value] of series) this.sample(`${name}_total`, labels, value);
    this.created(
      name,
      help,
      series.map(([labels]) => labels),
      createdS,
    );
  }

  created(name: string, help: string, labels: readonly string[], createdS: number): void {
    this.family(`${name}_created`, "gauge", help);
    for (const each of labels) this.sample(`${name}_created`, each, createdS);
  }

  /** @param before labels sorted before `le`, with a comma at the end; @param after those after it */
  histogramSeries(name: string, before: string, after: string, histogram: Histogram): void {
    let cumulated = 0;
    const tail = after === "" ? "" : `,${after}`;
    for (let i = 0; i <= histogram.bounds.length; i++) {
      cumulated += histogram.counts[i]!;
      const le = pythonFloat(histogram.bounds[i] ?? Number.POSITIVE_INFINITY);
      this.sample(`${name}_bucket`, `${before}le="${le}"${tail}`, cumulated);
    }
    const labels = before + after;
    this.sample(`${name}_count`, labels, histogram.count);
    this.sample(`${name}_sum`, labels, histogram.sum);
  }

  toString(): string {
    return this.#text;
  }
}
