/**
 * Flat columns that grow by doubling and never shrink, so that after the first tables nothing is
 * allocated any more.
 */

const SMALLEST: i32 = 16;

function capacityFor(rows: i32): i32 {
  let capacity = SMALLEST;
  while (capacity < rows) capacity <<= 1;
  return capacity;
}

/** The column itself if it holds `rows` values, else a longer one whose content is unspecified. */
export function fresh<T>(column: StaticArray<T>, rows: i32): StaticArray<T> {
  return column.length >= rows ? column : new StaticArray<T>(capacityFor(rows));
}

/** The column itself if it holds `rows` values, else a longer one that begins with its values. */
export function grown<T>(column: StaticArray<T>, rows: i32): StaticArray<T> {
  if (column.length >= rows) return column;
  const longer = new StaticArray<T>(capacityFor(rows));
  for (let row = 0, held = column.length; row < held; row++) longer[row] = column[row];
  return longer;
}
