import { MetricType } from "./abi.ts";

export interface Metric {
  readonly name: string;
  readonly type: number;
  value: bigint;
  readonly recorded: bigint[];
}

/** The statistics of one process. Names are shared by all VMs, ids belong to the VM that defined them. */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();

  define(type: number, name: string): Metric {
    const key = `${type} ${name}`;
    let metric = this.#metrics.get(key);
    if (metric === undefined) {
      metric = { name, type, value: 0n, recorded: [] };
      this.#metrics.set(key, metric);
    }
    return metric;
  }

  names(): string[] {
    return [...this.#metrics.values()].map((metric) => metric.name).sort();
  }

  counter(name: string): bigint | undefined {
    return this.#metrics.get(`${MetricType.Counter} ${name}`)?.value;
  }

  gauge(name: string): bigint | undefined {
    return this.#metrics.get(`${MetricType.Gauge} ${name}`)?.value;
  }

  all(): readonly Metric[] {
    return [...this.#metrics.values()];
  }
}
