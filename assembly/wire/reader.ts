import {
  ACCEPTED,
  ACCOUNTS_IDENTITY_STRIDE,
  ACCOUNTS_SECTION_COUNTS,
  ACCOUNTS_SECTION_IDENTITY,
  ACCOUNTS_SECTION_ROWS,
  ACCOUNTS_SECTION_STRINGS,
  ACCOUNT_STRIDE,
  ADAPTER_STRIDE,
  API_STRIDE,
  CLASS_STRIDE,
  CLUSTER_STRIDE,
  COUNT_STRIDE,
  DIRECTORY_ENTRY_BYTES,
  ENDPOINT_STRIDE,
  ENDPOINT_STRIDE_V1,
  ENTRY_COUNT,
  ENTRY_OFFSET,
  ENTRY_STRIDE,
  EXCHANGE_STRIDE,
  HEADER_EPOCH,
  HEADER_FIXED_BYTES,
  HEADER_FLAGS,
  HEADER_HEADER_BYTES,
  HEADER_KIND,
  HEADER_MAGIC,
  HEADER_SECTION_COUNT,
  HEADER_SEQUENCE,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  IDENTITY_STRIDE,
  KIND_ACCOUNTS,
  KIND_PREFIXES,
  KIND_REPORT,
  KIND_TABLE,
  LEARNED_STRIDE,
  MAGIC,
  MAGIC_SWAPPED,
  MAX_ACCOUNT_ROWS,
  MAX_APIS,
  MAX_ENDPOINTS,
  MAX_MESSAGE_BYTES,
  MAX_POOLS,
  MAX_ROUTES,
  MAX_ROWS,
  MAX_SECTIONS,
  MAX_STRIDE,
  MODEL_STRIDE,
  OBJECTIVE_STRIDE,
  POOL_STRIDE,
  POOL_STRIDE_V0,
  POOL_STRIDE_V1,
  POOL_TERMS_STRIDE,
  PREFIXES_SECTION_RECORDS,
  REFUSED_FOREIGN_ENDIAN,
  REFUSED_HEADER,
  REFUSED_KIND,
  REFUSED_MAGIC,
  REFUSED_OVERSIZED,
  REFUSED_SECTION,
  REFUSED_TOO_MANY_ROWS,
  REFUSED_TRUNCATED,
  REFUSED_VERSION,
  REPORT_SECTION_ENDPOINTS,
  REPORT_SECTION_EXCHANGE,
  REPORT_SECTION_IDENTITY,
  REPORT_SECTION_LEARNED,
  REPORT_SECTION_POOLS,
  REPORT_SECTION_SPEEDS,
  REPORT_SECTION_STRINGS,
  REWRITE_STRIDE,
  ROUTE_POOL_STRIDE,
  ROUTE_STRIDE,
  SCORER_STRIDE,
  SECTION_ADAPTERS,
  SECTION_APIS,
  SECTION_CLASSES,
  SECTION_CLUSTERS,
  SECTION_ENDPOINTS,
  SECTION_EXCHANGE,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_POOLS,
  SECTION_REWRITES,
  SECTION_ROUTES,
  SECTION_ROUTE_POOLS,
  SECTION_SCORERS,
  SECTION_STRINGS,
  SECTION_TARGETS,
  SPEED_STRIDE,
  TABLE_FLAG_PICKING,
  TABLE_SECTIONS,
  TABLE_SECTIONS_V1,
  TALLY_STRIDE,
  TARGET_STRIDE,
  VERSION,
} from "./layout";

/** What a table's writer knew: 0, 1 with the sections of TABLE_SECTIONS_V1, 2 with TABLE_FLAG_PICKING too. */
@inline function generationOf(ptr: usize): u32 {
  const sections = load<u32>(ptr + HEADER_SECTION_COUNT);
  if (sections < TABLE_SECTIONS_V1) return 0;
  return sections >= TABLE_SECTIONS && load<u16>(ptr + HEADER_FLAGS) & TABLE_FLAG_PICKING ? 2 : 1;
}

/** Sections that are left alone in a table of this generation: those that its writer knew nothing of, or knows more of. */
function isLeftAlone(section: u32, generation: u32): bool {
  if (generation == 0) return section == SECTION_REWRITES || section > SECTION_STRINGS;
  return section >= (generation == 1 ? TABLE_SECTIONS_V1 : TABLE_SECTIONS);
}

/**
 * Shortest row that holds every column this reader knows, in a message whose table is of this generation; 0 for a
 * section it leaves alone.
 */
function minimumStride(kind: u32, section: u32, generation: u32): u32 {
  if (kind == KIND_TABLE) {
    if (isLeftAlone(section, generation)) return 0;
    switch (section) {
      case SECTION_POOLS:
        return generation == 2 ? POOL_STRIDE : generation == 1 ? POOL_STRIDE_V1 : POOL_STRIDE_V0;
      case SECTION_ENDPOINTS:
        return generation == 2 ? ENDPOINT_STRIDE : ENDPOINT_STRIDE_V1;
      case SECTION_CLUSTERS:
        return CLUSTER_STRIDE;
      case SECTION_MODELS:
        return MODEL_STRIDE;
      case SECTION_ADAPTERS:
        return ADAPTER_STRIDE;
      case SECTION_OBJECTIVES:
        return OBJECTIVE_STRIDE;
      case SECTION_SCORERS:
        return SCORER_STRIDE;
      case SECTION_REWRITES:
        return REWRITE_STRIDE;
      case SECTION_STRINGS:
        return 1;
      case SECTION_TARGETS:
        return TARGET_STRIDE;
      case SECTION_APIS:
        return API_STRIDE;
      case SECTION_ROUTES:
        return ROUTE_STRIDE;
      case SECTION_ROUTE_POOLS:
        return ROUTE_POOL_STRIDE;
      case SECTION_CLASSES:
        return CLASS_STRIDE;
      case SECTION_EXCHANGE:
        return EXCHANGE_STRIDE;
    }
    return 0;
  }
  if (kind == KIND_ACCOUNTS) {
    switch (section) {
      case ACCOUNTS_SECTION_IDENTITY:
        return ACCOUNTS_IDENTITY_STRIDE;
      case ACCOUNTS_SECTION_ROWS:
        return ACCOUNT_STRIDE;
      case ACCOUNTS_SECTION_COUNTS:
        return COUNT_STRIDE;
      case ACCOUNTS_SECTION_STRINGS:
        return 1;
    }
    return 0;
  }
  if (kind == KIND_PREFIXES) return section == PREFIXES_SECTION_RECORDS ? 1 : 0;
  switch (section) {
    case REPORT_SECTION_IDENTITY:
      return IDENTITY_STRIDE;
    case REPORT_SECTION_ENDPOINTS:
      return TALLY_STRIDE;
    case REPORT_SECTION_STRINGS:
      return 1;
    case REPORT_SECTION_POOLS:
      return POOL_TERMS_STRIDE;
    case REPORT_SECTION_EXCHANGE:
      return EXCHANGE_STRIDE;
    case REPORT_SECTION_LEARNED:
      return LEARNED_STRIDE;
    case REPORT_SECTION_SPEEDS:
      return SPEED_STRIDE;
  }
  return 0;
}

/** Most rows of a section; a section that this reader leaves alone is bounded by the message alone. */
function maximumRows(kind: u32, section: u32, generation: u32): u32 {
  if (minimumStride(kind, section, generation) <= 1) return MAX_MESSAGE_BYTES;
  if (kind == KIND_TABLE) {
    if (section == SECTION_POOLS) return MAX_POOLS;
    if (section == SECTION_ENDPOINTS) return MAX_ENDPOINTS;
    if (section == SECTION_APIS) return MAX_APIS;
    if (section == SECTION_ROUTES) return MAX_ROUTES;
    if (section == SECTION_EXCHANGE) return 1;
    return MAX_ROWS;
  }
  if (kind == KIND_ACCOUNTS) {
    if (section == ACCOUNTS_SECTION_IDENTITY) return 1;
    return section == ACCOUNTS_SECTION_ROWS ? MAX_ACCOUNT_ROWS : MAX_MESSAGE_BYTES;
  }
  if (section == REPORT_SECTION_IDENTITY || section == REPORT_SECTION_EXCHANGE) return 1;
  return section == REPORT_SECTION_POOLS || section == REPORT_SECTION_LEARNED ? MAX_POOLS : MAX_ENDPOINTS;
}

function isStrings(kind: u32, section: u32): bool {
  if (kind == KIND_TABLE) return section == SECTION_STRINGS;
  if (kind == KIND_PREFIXES) return section == PREFIXES_SECTION_RECORDS;
  return section == (kind == KIND_ACCOUNTS ? ACCOUNTS_SECTION_STRINGS : REPORT_SECTION_STRINGS);
}

/**
 * Decides whether `bytes` bytes at `ptr` are a message of `kind` whose header and sections can be
 * read: after ACCEPTED every row and every string byte named by the directory lies inside. Values
 * inside rows are not looked at. Every length is checked before use, in 64 bits, so that no sum can
 * wrap. Returns ACCEPTED or the first REFUSED_* that applies; a future version and a big-endian
 * writer are told apart from garbage.
 */
export function checkMessage(ptr: usize, bytes: u32, kind: u32): u32 {
  if (bytes > MAX_MESSAGE_BYTES) return REFUSED_OVERSIZED;
  if (bytes < HEADER_MAGIC + 4) return REFUSED_TRUNCATED;
  const magic = load<u32>(ptr + HEADER_MAGIC);
  if (magic == MAGIC_SWAPPED) return REFUSED_FOREIGN_ENDIAN;
  if (magic != MAGIC) return REFUSED_MAGIC;
  if (bytes < HEADER_VERSION + 2) return REFUSED_TRUNCATED;
  if (load<u16>(ptr + HEADER_VERSION) != VERSION) return REFUSED_VERSION;
  if (bytes < HEADER_FIXED_BYTES) return REFUSED_TRUNCATED;
  if (load<u16>(ptr + HEADER_KIND) != kind || kind < KIND_TABLE || kind > KIND_PREFIXES) return REFUSED_KIND;
  // Within one version only rows and the number of sections may grow, never the header.
  if (load<u16>(ptr + HEADER_HEADER_BYTES) != HEADER_FIXED_BYTES) return REFUSED_HEADER;
  const total = load<u32>(ptr + HEADER_TOTAL_BYTES);
  if (total > bytes) return total > MAX_MESSAGE_BYTES ? REFUSED_OVERSIZED : REFUSED_TRUNCATED;
  if (total < bytes) return REFUSED_HEADER;
  const sections = load<u32>(ptr + HEADER_SECTION_COUNT);
  if (sections > MAX_SECTIONS) return REFUSED_HEADER;
  const bodyStart = <u64>HEADER_FIXED_BYTES + <u64>sections * DIRECTORY_ENTRY_BYTES;
  if (bodyStart > bytes) return REFUSED_SECTION;
  const generation = generationOf(ptr);
  for (let section: u32 = 0; section < sections; section++) {
    const entry = ptr + HEADER_FIXED_BYTES + section * DIRECTORY_ENTRY_BYTES;
    const offset = load<u32>(entry + ENTRY_OFFSET);
    const count = load<u32>(entry + ENTRY_COUNT);
    const stride: u32 = load<u16>(entry + ENTRY_STRIDE);
    if (stride < minimumStride(kind, section, generation) || stride > MAX_STRIDE) return REFUSED_SECTION;
    if (isStrings(kind, section) && stride != 1) return REFUSED_SECTION;
    if (count > maximumRows(kind, section, generation)) return REFUSED_TOO_MANY_ROWS;
    if (<u64>offset + <u64>count * stride > bytes) return REFUSED_SECTION;
    if (count != 0 && <u64>offset < bodyStart) return REFUSED_SECTION;
  }
  return ACCEPTED;
}

/** The kind that a message says it has, whatever else it holds; 0 for one that is too short to say. */
export function messageKind(ptr: usize, bytes: u32): u32 {
  return bytes < HEADER_FIXED_BYTES ? 0 : load<u16>(ptr + HEADER_KIND);
}

/** The checked table has rewrites, APIs and routes, and its pools name them. */
export function hasRewrites(ptr: usize): bool {
  return generationOf(ptr) >= 1;
}

/** The checked table has classes, and its pools and endpoints the columns that came with them. */
export function hasPicking(ptr: usize): bool {
  return generationOf(ptr) >= 2;
}

/** Directory entry of `section` in a checked message; 0 if the writer did not know the section. */
function entryOf(ptr: usize, section: u32): usize {
  if (section >= load<u32>(ptr + HEADER_SECTION_COUNT)) return 0;
  if (load<u16>(ptr + HEADER_KIND) == KIND_TABLE && isLeftAlone(section, generationOf(ptr))) return 0;
  return ptr + HEADER_FIXED_BYTES + section * DIRECTORY_ENTRY_BYTES;
}

/** Address of the first row of `section` in a checked message; of the message if it has none. */
export function sectionPtr(ptr: usize, section: u32): usize {
  const entry = entryOf(ptr, section);
  return entry == 0 ? ptr : ptr + <usize>load<u32>(entry + ENTRY_OFFSET);
}

/** Rows of `section` in a checked message (bytes, for STRINGS); 0 if it has none. */
export function sectionCount(ptr: usize, section: u32): i32 {
  const entry = entryOf(ptr, section);
  return entry == 0 ? 0 : load<i32>(entry + ENTRY_COUNT);
}

/** Bytes from one row of `section` to the next; 0 if the message has no such section. */
export function sectionStride(ptr: usize, section: u32): u32 {
  const entry = entryOf(ptr, section);
  return entry == 0 ? 0 : load<u16>(entry + ENTRY_STRIDE);
}

/** Start of the writer's life, of a checked message. */
export function messageEpoch(ptr: usize): u64 {
  return load<u64>(ptr + HEADER_EPOCH);
}

/** Number of a checked message within its epoch. */
export function messageSequence(ptr: usize): u64 {
  return load<u64>(ptr + HEADER_SEQUENCE);
}
