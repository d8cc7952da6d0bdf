/** What the web framework in front of the engine counts, per handler. */
import { Histogram } from "./histogram.ts";
import { labelValue, type MetricsText } from "./metrics-text.ts";

const FINE_SECONDS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
];
const COARSE_SECONDS = [0.1, 0.5, 1];

interface HandlerCounts {
  readonly statuses: Map<string, number>;
  readonly seconds: Histogram;
  requestBytes: number;
  responseBytes: number;
}

export class HttpMetrics {
  readonly #fine = new Histogram(FINE_SECONDS);
  /** By `method handler`. */
  readonly #handlers = new Map<string, HandlerCounts>();

  /** @param handler route of the request, `none` for one without */
  observe(
    handler: string,
    method: string,
    status: number,
    seconds: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    const labels = `handler="${labelValue(handler)}",method="${labelValue(method)}"`;
    let counts = this.#handlers.get(labels);
    if (counts === undefined) {
      counts = {
        statuses: new Map(),
        seconds: new Histogram(COARSE_SECONDS),
        requestBytes: 0,
        responseBytes: 0,
      };
      this.#handlers.set(labels, counts);
    }
    const group = `${Math.floor(status / 100)}xx`;
    counts.statuses.set(group, (counts.statuses.get(group) ?? 0) + 1);
    counts.seconds.observe(seconds);
    counts.requestBytes += requestBytes;
    counts.responseBytes += responseBytes;
    this.#fine.observe(seconds);
  }

  write(text: MetricsText, createdS: number): void {
    const series: [string, number][] = [];
    for (const [labels, counts] of this.#handlers) {
      for (const [group, count] of counts.statuses) series.push([`${labels},status="${group}"`, count]);
    }
    const handlers = [...this.#handlers];
    text.counter("http_requests", "Requests by method, status and handler.", series, createdS);
    for (const [name, field] of [
      ["http_request_size_bytes", "requestBytes"],
      ["http_response_size_bytes", "responseBytes"],
    ] as const) {
      text.family(name, "summary", "Content length by handler.");
      for (const [labels, counts] of handlers) {
        text.sample(`${name}_count`, labels, counts.seconds.count);
        text.sample(`${name}_sum`, labels, counts[field]);
      }
    }
    const fine = "http_request_duration_highr_seconds";
    text.family(fine, "histogram", "Duration of requests, many buckets.");
    text.histogramSeries(fine, "", "", this.#fine);
    text.created(fine, "Duration of requests, many buckets.", [""], createdS);
    const coarse = "http_request_duration_seconds";
    text.family(coarse, "histogram", "Duration of requests by handler.");
    for (const [labels, counts] of handlers) {
      const [handler, method] = labels.split(/,(?=method=)/) as [string, string];
      text.histogramSeries(coarse, `${handler},`, method, counts.seconds);
    }
  }
}
