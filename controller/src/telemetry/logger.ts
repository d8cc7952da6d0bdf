import { type DestinationStream, type Logger, pino } from "pino";
import type { LogLevel } from "../settings.ts";

export type { Logger } from "pino";

/** Keys under which a secret could reach a log line by mistake. */
const SECRETS = ["upstreamApiKey", "bearerToken", "authorization"];

/**
 * JSON lines: `time` in ISO 8601, `level` as a word. Nothing of a request's content is ever logged.
 * `destination`: where lines go; default: standard output.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[secret]" },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
