import { PickerError } from "../errors.ts";

/** @throws PickerError TABLE_BOUND for more than `bound` rows. */
export function checkRows(path: string, count: number, bound: number): void {
  if (count <= bound) return;
  throw new PickerError("TABLE_BOUND", `${count} rows are more than ${bound}`, { path, value: count, bound });
}

/** @throws PickerError TABLE_VALUE for a name that is empty or occurs twice. */
export function refuseRepeated(path: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (name !== "" && !seen.has(name)) seen.add(name);
    else {
      throw new PickerError("TABLE_VALUE", name === "" ? "a name is empty" : `${name} occurs twice`, {
        path,
        value: name,
        bound: "non-empty and unique",
      });
    }
  }
}
