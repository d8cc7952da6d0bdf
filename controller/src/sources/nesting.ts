import { CST, Lexer } from "yaml";
import { PickerError } from "../errors.ts";

/** The deepest key of a pools file is at 8. */
const MAX_NESTING = 64;

/**
 * Refuses what nests deeper than MAX_NESTING before it is parsed: the parser calls itself for each level,
 * and a file of nothing but opening brackets ends the process where no error can be caught. Counted
 * are open flow collections, and the columns at which block collections began; a sequence at its key's own
 * column counts with it as one.
 * @throws PickerError POOLS_FILE_SYNTAX
 */
export function refuseDeepNesting(source: string, path: string): void {
  /** Columns of the open block collections, growing. */
  const columns: number[] = [];
  let flow = 0;
  let line = 1;
  let column = 0;
  /** The next token begins a node: it is the first of its line, or follows `- `, `? ` or `: `. */
  let begins = true;
  let isScalar = false;
  for (const token of new Lexer().lex(source)) {
    // Marks of the lexer, which stand for no text.
    if (token === CST.DOCUMENT || token === CST.FLOW_END || token === CST.SCALAR) {
      isScalar = token === CST.SCALAR;
      continue;
    }
    const type = isScalar ? "scalar" : CST.tokenType(token);
    isScalar = false;
    if (type === "newline") {
      line++;
      column = 0;
      begins = true;
      continue;
    }
    if (type !== "space" && type !== "comment") {
      if (begins && flow === 0) {
        while (columns.length > 0 && columns.at(-1)! >= column) columns.pop();
        columns.push(column);
      }
      begins = type === "seq-item-ind" || type === "explicit-key-ind" || type === "map-value-ind";
      if (type === "flow-map-start" || type === "flow-seq-start") flow++;
      else if ((type === "flow-map-end" || type === "flow-seq-end") && flow > 0) flow--;
      const depth = columns.length + flow;
      if (depth > MAX_NESTING) {
        throw new PickerError("POOLS_FILE_SYNTAX", `nests deeper than ${MAX_NESTING} levels`, {
          path,
          value: depth,
          bound: MAX_NESTING,
          line,
        });
      }
    }
    const lineFeed = token.lastIndexOf("\n");
    if (lineFeed < 0) column += token.length;
    else {
      line += token.split("\n").length - 1;
      column = token.length - lineFeed - 1;
      begins = column === 0;
    }
  }
}
