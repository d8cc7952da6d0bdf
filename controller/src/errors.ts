/** What went wrong, as a stable word for logs, metrics and tests. */
export type ErrorCode =
  | "POOLS_FILE_UNREADABLE"
  | "POOLS_FILE_SYNTAX"
  | "POOLS_FILE_INVALID"
  | "CONFIG_TYPE"
  | "CONFIG_UNKNOWN_KEY"
  | "CONFIG_MISSING"
  | "CONFIG_RANGE"
  | "CONFIG_FORMAT"
  | "CONFIG_DUPLICATE"
  | "CONFIG_REFERENCE"
  | "CONFIG_CONFLICT"
  | "CONFIG_SECRET"
  | "RESOLVE_FAILED"
  | "SCRAPE_FAILED"
  | "MODEL_LIST_FAILED"
  | "TABLE_BOUND"
  | "TABLE_VALUE"
  | "WIRE_REFUSED"
  | "KUBECONFIG_UNUSABLE";

export interface ErrorDetail {
  /** Where: a configuration path such as `pools[0].scrape.interval`, or a column's name. */
  readonly path?: string | undefined;
  /** The offending value, as it was given; never a secret. */
  readonly value?: unknown;
  /** The bound that it broke, in the value's unit. */
  readonly bound?: unknown;
  /** 1-based line of the file it was read from. */
  readonly line?: number | undefined;
  readonly cause?: unknown;
}

/** The controller's error: a code, the value and the bound that it broke, the place, the cause. */
export class PickerError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly value: unknown;
  readonly bound: unknown;
  readonly line: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    const at = detail.path === undefined || detail.path === "" ? "" : `${detail.path}: `;
    const line = detail.line === undefined ? "" : ` (line ${detail.line})`;
    super(`${at}${message}${line}`, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "PickerError";
    this.code = code;
    this.path = detail.path;
    this.value = detail.value;
    this.bound = detail.bound;
    this.line = detail.line;
  }
}
