import { u8At } from "../../wire/bytes";
import { TAG_MODEL, TAG_POOL, TAG_TARGET } from "./stat_names";

const HEX: string = "0123456789ABCDEF";
/** Beside letters and digits: what names of models and pools are made of. None of it means anything to Envoy. */
const PLAIN: string = "-_./:@+";

/** Name of a metric of one pool, model and target, which are `names` one behind the other; see stat_names.ts. */
export function rowStat(
  family: string,
  names: usize,
  poolBytes: i32,
  modelBytes: i32,
  targetBytes: i32,
): string {
  const model = names + poolBytes;
  return (
    family +
    ";" +
    tag(TAG_MODEL, encoded(model, modelBytes)) +
    tag(TAG_TARGET, encoded(model + modelBytes, targetBytes)) +
    tag(TAG_POOL, encoded(names, poolBytes))
  );
}

/** One label, to be put behind a name and `;`, or behind other labels. */
export function tag(key: string, value: string): string {
  return key + "=" + value + ";";
}

/** Percent-encoded beyond letters, digits and PLAIN; a dot at the end too, since Envoy drops that from a value. */
function encoded(ptr: usize, bytes: i32): string {
  let out = "";
  for (let i = 0; i < bytes; i++) {
    const byte = <i32>u8At(ptr + i);
    const isPlain = isAlphanumeric(byte) || (byte < 0x80 && PLAIN.includes(String.fromCharCode(byte)));
    if (isPlain && !(byte == 0x2e && i + 1 == bytes)) out += String.fromCharCode(byte);
    else out += "%" + HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  }
  return out;
}

function isAlphanumeric(byte: i32): bool {
  const letter = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x7a);
}
