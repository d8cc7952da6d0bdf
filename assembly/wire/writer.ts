import {
  ACCOUNTS_AGE_MS,
  ACCOUNTS_IDENTITY_STRIDE,
  ACCOUNTS_NODE,
  ACCOUNT_COUNT_COUNT,
  ACCOUNT_COUNT_START,
  ACCOUNT_MODEL,
  ACCOUNT_POOL,
  ACCOUNT_RUNNING,
  ACCOUNT_STRIDE,
  ACCOUNT_TARGET,
  COUNT_INDEX,
  COUNT_VALUE,
  DIRECTORY_ENTRY_BYTES,
  ENTRY_COUNT,
  ENTRY_OFFSET,
  ENTRY_STRIDE,
  EXCHANGE_SECRET,
  HEADER_EPOCH,
  HEADER_FIXED_BYTES,
  HEADER_HEADER_BYTES,
  HEADER_KIND,
  HEADER_MAGIC,
  HEADER_SECTION_COUNT,
  HEADER_SEQUENCE,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  IDENTITY_GENERATION,
  IDENTITY_HOLDER,
  IDENTITY_LAST_REFUSAL,
  IDENTITY_LIVE_SLOTS,
  IDENTITY_NODE,
  IDENTITY_REFUSED,
  IDENTITY_STRIDE,
  LEARNED_OBSERVATIONS,
  LEARNED_CONTEXT_TOKEN_MS,
  LEARNED_OUTPUT_TOKENS,
  LEARNED_POOL,
  LEARNED_PROMPT_TOKEN_MS,
  LEARNED_SEQUENCE_MS,
  LEARNED_STEP_MS,
  LEARNED_STRIDE,
  LEARNED_TOKENS_PER_BYTE,
  MAGIC,
  POOL_TERMS_ID,
  POOL_TERMS_MISSING,
  POOL_TERMS_STRIDE,
  SPEED_ID,
  SPEED_SLOWNESS,
  SPEED_STRIDE,
  VERSION,
} from "./layout";

/** Writes a message's header and clears its directory: HEADER_FIXED_BYTES and an entry a section at `ptr`. */
export function writeHeader(
  ptr: usize,
  kind: u32,
  totalBytes: u32,
  epoch: u64,
  sequence: u64,
  sections: u32,
): void {
  memory.fill(ptr, 0, HEADER_FIXED_BYTES + sections * DIRECTORY_ENTRY_BYTES);
  store<u32>(ptr + HEADER_MAGIC, MAGIC);
  store<u16>(ptr + HEADER_VERSION, <u16>VERSION);
  store<u16>(ptr + HEADER_HEADER_BYTES, <u16>HEADER_FIXED_BYTES);
  store<u16>(ptr + HEADER_KIND, <u16>kind);
  store<u32>(ptr + HEADER_TOTAL_BYTES, totalBytes);
  store<u64>(ptr + HEADER_EPOCH, epoch);
  store<u64>(ptr + HEADER_SEQUENCE, sequence);
  store<u32>(ptr + HEADER_SECTION_COUNT, sections);
}

/** Writes the directory entry of a section of `count` rows at `offset`, `stride` bytes apart. */
export function writeSection(ptr: usize, section: u32, offset: u32, count: u32, stride: u32): void {
  const entry = ptr + HEADER_FIXED_BYTES + section * DIRECTORY_ENTRY_BYTES;
  store<u32>(entry + ENTRY_OFFSET, offset);
  store<u32>(entry + ENTRY_COUNT, count);
  store<u16>(entry + ENTRY_STRIDE, <u16>stride);
}

/** Writes a report's IDENTITY row; the node's name is the first `nodeBytes` bytes of STRINGS. */
export function writeIdentity(
  row: usize,
  nodeBytes: u32,
  generation: u64,
  holder: u64,
  refused: u32,
  lastRefusal: u32,
  liveSlots: u32,
): void {
  memory.fill(row, 0, IDENTITY_STRIDE);
  store<u32>(row + IDENTITY_NODE + 4, nodeBytes);
  store<u64>(row + IDENTITY_GENERATION, generation);
  store<u64>(row + IDENTITY_HOLDER, holder);
  store<u32>(row + IDENTITY_REFUSED, refused);
  store<u32>(row + IDENTITY_LAST_REFUSAL, lastRefusal);
  store<u32>(row + IDENTITY_LIVE_SLOTS, liveSlots);
}

/** Writes a row of a report's POOLS section; `missing` has one bit a scorer. */
export function writePoolTerms(row: usize, pool: u64, missing: u32): void {
  memory.fill(row, 0, POOL_TERMS_STRIDE);
  store<u64>(row + POOL_TERMS_ID, pool);
  store<u32>(row + POOL_TERMS_MISSING, missing);
}

/** Writes a report's EXCHANGE row. */
export function writeSecret(row: usize, secret: u64): void {
  store<u64>(row + EXCHANGE_SECRET, secret);
}

/** Writes a LEARNED row. Numbers are cut to 24 bits. */
export function writeLearned(
  row: usize,
  pool: u64,
  stepMs: f64,
  contextTokenMs: f64,
  sequenceMs: f64,
  promptTokenMs: f64,
  outputTokens: f64,
  tokensPerByte: f64,
  observations: f64,
): void {
  memory.fill(row, 0, LEARNED_STRIDE);
  store<u64>(row + LEARNED_POOL, pool);
  store<f32>(row + LEARNED_STEP_MS, <f32>stepMs);
  store<f32>(row + LEARNED_CONTEXT_TOKEN_MS, <f32>contextTokenMs);
  store<f32>(row + LEARNED_SEQUENCE_MS, <f32>sequenceMs);
  store<f32>(row + LEARNED_PROMPT_TOKEN_MS, <f32>promptTokenMs);
  store<f32>(row + LEARNED_OUTPUT_TOKENS, <f32>outputTokens);
  store<f32>(row + LEARNED_TOKENS_PER_BYTE, <f32>tokensPerByte);
  store<u32>(row + LEARNED_OBSERVATIONS, <u32>min<f64>(observations, u32.MAX_VALUE));
}

/** Writes a SPEEDS row. */
export function writeSpeed(row: usize, endpoint: u64, slowness: f64): void {
  memory.fill(row, 0, SPEED_STRIDE);
  store<u64>(row + SPEED_ID, endpoint);
  store<f32>(row + SPEED_SLOWNESS, <f32>slowness);
}

/** Writes the IDENTITY row of accounts; the node's name is the first `nodeBytes` bytes of STRINGS. */
export function writeAccountsIdentity(row: usize, nodeBytes: u32, ageMs: u64): void {
  memory.fill(row, 0, ACCOUNTS_IDENTITY_STRIDE);
  store<u32>(row + ACCOUNTS_NODE + 4, nodeBytes);
  store<u64>(row + ACCOUNTS_AGE_MS, ageMs);
}

/**
 * Writes a ROWS row of accounts whose names lie one behind the other at `names` in STRINGS, and whose
 * `counts` COUNTS rows begin at `countStart`.
 */
export function writeAccount(
  row: usize,
  names: u32,
  poolBytes: u32,
  modelBytes: u32,
  targetBytes: u32,
  countStart: u32,
  counts: u32,
  running: u32,
): void {
  memory.fill(row, 0, ACCOUNT_STRIDE);
  store<u32>(row + ACCOUNT_POOL, names);
  store<u32>(row + ACCOUNT_POOL + 4, poolBytes);
  store<u32>(row + ACCOUNT_MODEL, names + poolBytes);
  store<u32>(row + ACCOUNT_MODEL + 4, modelBytes);
  store<u32>(row + ACCOUNT_TARGET, names + poolBytes + modelBytes);
  store<u32>(row + ACCOUNT_TARGET + 4, targetBytes);
  store<u32>(row + ACCOUNT_COUNT_START, countStart);
  store<u32>(row + ACCOUNT_COUNT_COUNT, counts);
  store<u32>(row + ACCOUNT_RUNNING, running);
}

/** Writes a COUNTS row; `key` is index | group << 16. */
export function writeCount(row: usize, key: u32, value: u64): void {
  store<u32>(row + COUNT_INDEX, key);
  store<u64>(row + COUNT_VALUE, value);
}
