import type * as v from "valibot";
import { type Document, isMap, isPair, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { PickerError } from "../errors.ts";
import { refuseDeepNesting } from "./nesting.ts";
import { formatPath, type Path, type Problems } from "./problems.ts";
import { validated } from "./validated.ts";

/** Aliases expand at most this often: a page of them could otherwise grow without bound. */
const MAX_ALIASES = 1000;

export interface ReadDocument<Value> {
  /** Undefined if what was read is not of the schema; `found` says why. */
  readonly value: Value | undefined;
  /** Adds to `found`, with the line at which a path stands in the text. */
  readonly problems: Problems;
  readonly found: readonly PickerError[];
}

export interface DocumentOptions<Value> {
  readonly schema: v.GenericSchema<unknown, Value>;
  /** What the text is called in messages. */
  readonly path: string;
  /** What is named in place of a secret, such as `a file or a variable`. */
  readonly secretsIn: string;
  /** Default: no bound. */
  readonly maxBytes?: number;
  /** More are not looked into; default: no bound. */
  readonly maxProblems?: number;
  /** Whether nodes may be repeated by `*alias`; default true. Without, what is read has no more nodes than the text. */
  readonly hasAliases?: boolean;
}

/**
 * A YAML text read by a schema.
 * @throws PickerError POOLS_FILE_SYNTAX for what is no YAML, is too long, or nests too deep
 */
export function readDocument<Value>(source: string, options: DocumentOptions<Value>): ReadDocument<Value> {
  refuseLong(source, options);
  refuseDeepNesting(source, options.path);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw new PickerError("POOLS_FILE_SYNTAX", broken.message, {
      path: options.path,
      line: lines.linePos(broken.pos[0]).line,
      cause: broken,
    });
  }
  const found: PickerError[] = [];
  const { maxProblems = Number.POSITIVE_INFINITY } = options;
  const problems: Problems = {
    add(code, path, message, detail = {}) {
      if (found.length >= maxProblems) return;
      found.push(
        new PickerError(code, message, {
          ...detail,
          path: formatPath(path),
          line: lineOf(document, lines, path),
        }),
      );
    },
  };
  return { value: parsed(document, options, problems), problems, found };
}

function refuseLong(source: string, { path, maxBytes }: Pick<DocumentOptions<unknown>, "path" | "maxBytes">) {
  const bytes = Buffer.byteLength(source);
  if (maxBytes === undefined || bytes <= maxBytes) return;
  throw new PickerError("POOLS_FILE_SYNTAX", `${bytes} bytes is above ${maxBytes}`, {
    path,
    value: bytes,
    bound: maxBytes,
  });
}

/** One error of all that was found: a line a problem, the first one's path, value and bound. */
export function invalid(found: readonly PickerError[]): PickerError {
  const [first] = found;
  return new PickerError("POOLS_FILE_INVALID", found.map((problem) => problem.message).join("\n"), {
    value: first?.value,
    bound: first?.bound,
    cause: new AggregateError(found),
  });
}

function parsed<Value>(
  document: Document.Parsed,
  { schema, secretsIn, hasAliases = true }: DocumentOptions<Value>,
  problems: Problems,
): Value | undefined {
  if (!hasAliases && holdsAlias(document)) {
    problems.add("CONFIG_FORMAT", [], "holds an *alias; write out what it stands for");
    return undefined;
  }
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    problems.add("CONFIG_FORMAT", [], cause instanceof Error ? cause.message : String(cause), { cause });
    return undefined;
  }
  return validated(raw, { schema, secretsIn, problems });
}

function holdsAlias(document: Document.Parsed): boolean {
  let isHeld = false;
  visit(document, {
    Alias: () => {
      isHeld = true;
      return visit.BREAK;
    },
  });
  return isHeld;
}

/** 1-based line of the deepest node of the path that the text holds; of a key, where it is written. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && String(item.key) === String(key));
      if (pair === undefined) break;
      offset = (pair.key as Node | null)?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}
