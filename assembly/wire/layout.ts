/**
 * The wire format, once: every offset, size and enumeration of the messages that controller and
 * filter exchange. This file holds constants only, so that the AssemblyScript compiler and
 * TypeScript both accept it (`u32` and friends are aliases of `number` on the TypeScript side,
 * see `types.d.ts`). Everything is little-endian.
 *
 *   message   = header | section directory | section bytes
 *
 *   header (40 bytes)
 *   0        4        6        8       10       12       16            24              32            36        40
 *   | magic  | version| header | kind   | flags  | total  | epoch (u64) | sequence (u64)| sections    | reserved|
 *   | u32    | u16    | u16    | u16    | u16    | u32    |             |               | u32         | u32     |
 *
 *   section directory: `sections` entries of 12 bytes, in the order of the SECTION_* numbers of the kind
 *   0        4        8         10        12
 *   | offset | count  | stride  | reserved|     offset counts from the start of the message
 *   | u32    | u32    | u16     | u16     |
 *
 * A string is a pair (offset u32, bytes u32) into the STRINGS section, UTF-8, without a terminator.
 *
 * How the format may grow: rows may get longer (readers step by the stored stride and ignore what
 * they do not know), sections may be appended (a reader that knows fewer ignores the rest, one that
 * knows more takes a missing one as empty). Anything else raises VERSION, and a reader refuses a
 * version that it does not know.
 */

/** "EIP1" as bytes; on a big-endian writer it reads back as MAGIC_SWAPPED. */
export const MAGIC: u32 = 0x31504945;
export const MAGIC_SWAPPED: u32 = 0x45495031;
export const VERSION: u32 = 1;

// --- header ---------------------------------------------------------------------------------
export const HEADER_MAGIC: u32 = 0;
export const HEADER_VERSION: u32 = 4;
/** Bytes before the section directory: HEADER_FIXED_BYTES, in every message of this version. */
export const HEADER_HEADER_BYTES: u32 = 6;
export const HEADER_KIND: u32 = 8;
/** TABLE_FLAG_* bits of a table; 0 in other messages. */
export const HEADER_FLAGS: u32 = 10;
export const HEADER_TOTAL_BYTES: u32 = 12;
/** Identity of the writer's life: its start in ms since the Unix epoch. A later start is newer. */
export const HEADER_EPOCH: u32 = 16;
/** Counts up by one per message within an epoch, from 1. */
export const HEADER_SEQUENCE: u32 = 24;
export const HEADER_SECTION_COUNT: u32 = 32;
export const HEADER_FIXED_BYTES: u32 = 40;

export const DIRECTORY_ENTRY_BYTES: u32 = 12;
export const ENTRY_OFFSET: u32 = 0;
export const ENTRY_COUNT: u32 = 4;
export const ENTRY_STRIDE: u32 = 8;

export const KIND_TABLE: u32 = 1;
export const KIND_REPORT: u32 = 2;
export const KIND_ACCOUNTS: u32 = 3;
export const KIND_PREFIXES: u32 = 4;

// --- bounds: a message outside of them is refused -------------------------------------------------
export const MAX_MESSAGE_BYTES: u32 = 4194304;
export const MAX_SECTIONS: u32 = 64;
export const MAX_POOLS: u32 = 1024;
export const MAX_ENDPOINTS: u32 = 8192;
/** Rows of APIS: each is read through when a table is decoded. */
export const MAX_APIS: u32 = 8192;
export const MAX_ROUTES: u32 = 8192;
/** Rows of any other section. */
export const MAX_ROWS: u32 = 65536;
export const MAX_STRIDE: u32 = 1024;
/** Any string that has no bound of its own below. */
export const MAX_STRING_BYTES: u32 = 4096;
/** Names of models, adapters and objectives: a reader hashes each of them. */
export const MAX_NAME_BYTES: u32 = 256;
/** Names of pools (`namespace/name`), of Envoy clusters and of routes. */
export const MAX_POOL_NAME_BYTES: u32 = 512;
/** Three addresses and their commas fit into a pick header of 512 bytes. */
export const MAX_ADDRESS_BYTES: u32 = 128;
/** Rows of one pool in SCORERS; no kind comes twice among them. */
export const MAX_POOL_SCORERS: u32 = 16;

// --- table: sections --------------------------------------------------------------------------
export const SECTION_POOLS: u32 = 0;
export const SECTION_ENDPOINTS: u32 = 1;
export const SECTION_CLUSTERS: u32 = 2;
export const SECTION_MODELS: u32 = 3;
export const SECTION_ADAPTERS: u32 = 4;
export const SECTION_OBJECTIVES: u32 = 5;
export const SECTION_SCORERS: u32 = 6;
export const SECTION_REWRITES: u32 = 7;
export const SECTION_STRINGS: u32 = 8;
export const SECTION_TARGETS: u32 = 9;
export const SECTION_APIS: u32 = 10;
export const SECTION_ROUTES: u32 = 11;
export const SECTION_ROUTE_POOLS: u32 = 12;
export const SECTION_CLASSES: u32 = 13;
export const SECTION_EXCHANGE: u32 = 14;
export const TABLE_SECTIONS: u32 = 15;
/**
 * TARGETS to ROUTE_POOLS came at one time, with REWRITES' rows and POOL_STRIDE_V1. A table of fewer sections than
 * these has none of it, whatever its REWRITES and its pools' bytes from POOL_STRIDE_V0 on hold.
 */
export const TABLE_SECTIONS_V1: u32 = 13;
/**
 * CLASSES and EXCHANGE came with the columns of pools from POOL_STRIDE_V1 on and of endpoints from ENDPOINT_STRIDE_V1 on. A table
 * without this flag, or of fewer sections than TABLE_SECTIONS, has none of them.
 */
export const TABLE_FLAG_PICKING: u32 = 1;

/*  POOLS: one row a pool. `start, count` name a run of rows in another section; the runs of one
 *  section do not overlap, so that a reader's work is bounded by the rows that were sent.
 *   0          8               16           24            32        34      35    36        40       44
 *  | name     | endpoints      | models     | scorers     | profile| failure| flags| stale  | body   | body
 *  | string   | start, count   | start,count| start, count| u16    | u8     | u8  | afterMs| window | limit
 *   48             56            60           64
 *  | objectives   | queue      | kv         | rewrites    | apis        |
 *  | start, count | limit f32  | limit f32  | start, count| start, count|
 *                                            64            72            80
 *   80         84            88        92        96            104           112
 *  | TTFT base | TTFT per 1k | TPOT    | pick    | classes     | class header |
 *  | ms f32    | tokens, f32 | ms f32  | flags   | start, count| string       |
 */
/** `namespace/name` */
export const POOL_NAME: u32 = 0;
export const POOL_ENDPOINT_START: u32 = 8;
export const POOL_ENDPOINT_COUNT: u32 = 12;
export const POOL_MODEL_START: u32 = 16;
export const POOL_MODEL_COUNT: u32 = 20;
export const POOL_SCORER_START: u32 = 24;
export const POOL_SCORER_COUNT: u32 = 28;
export const POOL_PROFILE: u32 = 32;
export const POOL_FAILURE_MODE: u32 = 34;
export const POOL_FLAGS: u32 = 35;
/** Age in ms beyond which a row's load columns do not count. */
export const POOL_STALE_AFTER_MS: u32 = 36;
/** Bytes of the body looked at before the pick. */
export const POOL_BODY_WINDOW_BYTES: u32 = 40;
/** Bytes of the body beyond which a request whose model is still unknown gets 413. */
export const POOL_BODY_LIMIT_BYTES: u32 = 44;
export const POOL_OBJECTIVE_START: u32 = 48;
export const POOL_OBJECTIVE_COUNT: u32 = 52;
/** Queued requests per endpoint at which it counts as saturated, f32 > 0. */
export const POOL_QUEUE_LIMIT: u32 = 56;
/** KV-cache use at which an endpoint counts as saturated, f32 in (0, 1]. */
export const POOL_KV_LIMIT: u32 = 60;
export const POOL_REWRITE_START: u32 = 64;
export const POOL_REWRITE_COUNT: u32 = 68;
export const POOL_API_START: u32 = 72;
export const POOL_API_COUNT: u32 = 76;
/** Objective for the time to the first token: this, f32 > 0, … */
export const POOL_TTFT_BASE_MS: u32 = 80;
/** … and this for each 1000 tokens of the prompt, f32 >= 0. */
export const POOL_TTFT_PER_1K_TOKENS_MS: u32 = 84;
/** Objective for the time per output token after the first, f32 > 0. */
export const POOL_TPOT_MS: u32 = 88;
/** POOL_PICK_FLAG_* bits */
export const POOL_PICK_FLAGS: u32 = 92;
export const POOL_CLASS_START: u32 = 96;
export const POOL_CLASS_COUNT: u32 = 100;
/** Header whose value names a request's class, in lower case; 0 bytes: none does. */
export const POOL_CLASS_HEADER: u32 = 104;
export const POOL_STRIDE: u32 = 112;
/** Of tables without TABLE_FLAG_PICKING. */
export const POOL_STRIDE_V1: u32 = 80;
/** Of tables of fewer than TABLE_SECTIONS_V1 sections. */
export const POOL_STRIDE_V0: u32 = 64;

/** Objectives of a table without TABLE_FLAG_PICKING. */
export const DEFAULT_TTFT_BASE_MS: f32 = 1000;
export const DEFAULT_TTFT_PER_1K_TOKENS_MS: f32 = 62.5;
export const DEFAULT_TPOT_MS: f32 = 40;
/** Any objective is at most this long: eleven days. */
export const MAX_OBJECTIVE_MS: f32 = 1000000000;

/** The request waits for its body; without this bit the pool is picked by headers and load. */
export const POOL_FLAG_READ_BODY: u32 = 1;
/** A request without a model is answered 400. */
export const POOL_FLAG_REQUIRE_MODEL: u32 = 2;
/** A model that is not in the pool's list is answered 404. */
export const POOL_FLAG_KNOWN_MODELS_ONLY: u32 = 4;
/** An answer bears the model's name that the request had, not that of its rewrite. */
export const POOL_FLAG_RESTORE_MODEL: u32 = 8;
/** A streamed request that does not ask for usage is made to, and what it did not ask for is taken out again. */
export const POOL_FLAG_ADD_USAGE: u32 = 16;
/** The pool is one of a row in ROUTES: the request's model chooses among them. */
export const POOL_FLAG_BY_MODEL: u32 = 32;

/** The request's headers may state its objectives. */
export const POOL_PICK_FLAG_OBJECTIVE_HEADERS: u32 = 1;
/** A request header may name the endpoints to pick from. */
export const POOL_PICK_FLAG_SUBSET_HEADER: u32 = 2;
/** Dynamic metadata may name the endpoints to pick from. */
export const POOL_PICK_FLAG_SUBSET_METADATA: u32 = 4;
/** A request's session token names the endpoint that served it before. */
export const POOL_PICK_FLAG_SESSION: u32 = 8;

export const FAILURE_MODE_FAIL_CLOSE: u32 = 0;
export const FAILURE_MODE_FAIL_OPEN: u32 = 1;

/** Names are in `profiles.ts`, at their number less 1. */
export const PROFILE_EPP: u32 = 1;
export const PROFILE_LEAST_REQUEST: u32 = 2;
export const PROFILE_ROUND_ROBIN: u32 = 3;
export const PROFILE_RANDOM: u32 = 4;
/** The pool's own mix: its rows in SCORERS. */
export const PROFILE_WEIGHTED: u32 = 5;
export const PROFILE_NET_GOODPUT: u32 = 6;
export const PROFILE_MARGINAL_COST: u32 = 7;
export const PROFILE_LMETRIC: u32 = 8;
export const PROFILE_STICKY: u32 = 9;

/*  ENDPOINTS: one row an endpoint, a pool's rows side by side.
 *   0        8         16       24     28     32      36      40       44        48
 *  | id     | address | name   | flags| valid| age   | queued| running| kv used | kv
 *  | u64    | string  | string | u32  | u32  | ms u32| u32   | u32    | ratio f32| blocks u32
 *   52         56         60             68        72          76        80
 *  | kv block | max      | adapters     | remote  | remote    | remote
 *  | tokens   | adapters | start, count | requests| uncached  | resident tokens
 *   80        84        88
 *  | epoch    | classes |
 *  | u32      | bits    |
 */
/** FNV-1a, 64 bits, of the address: the same endpoint for every controller and in every pool. */
export const ENDPOINT_ID: u32 = 0;
/** `ip:port`, IPv6 in brackets: exactly as Envoy's cluster spells the host. Visible ASCII without commas. */
export const ENDPOINT_ADDRESS: u32 = 8;
export const ENDPOINT_NAME: u32 = 16;
export const ENDPOINT_FLAGS: u32 = 24;
export const ENDPOINT_VALID: u32 = 28;
/** Age of the measurements at sending; AGE_NEVER if the endpoint was never scraped. */
export const ENDPOINT_AGE_MS: u32 = 32;
export const ENDPOINT_QUEUED: u32 = 36;
export const ENDPOINT_RUNNING: u32 = 40;
export const ENDPOINT_KV_USED: u32 = 44;
export const ENDPOINT_KV_BLOCKS: u32 = 48;
export const ENDPOINT_KV_BLOCK_TOKENS: u32 = 52;
export const ENDPOINT_MAX_ADAPTERS: u32 = 56;
export const ENDPOINT_ADAPTER_START: u32 = 60;
export const ENDPOINT_ADAPTER_COUNT: u32 = 64;
/** In flight to this endpoint through every other Envoy; the sender leaves the receiver's own out. */
export const ENDPOINT_REMOTE_REQUESTS: u32 = 68;
export const ENDPOINT_REMOTE_UNCACHED_TOKENS: u32 = 72;
export const ENDPOINT_REMOTE_RESIDENT_TOKENS: u32 = 76;
/**
 * Of the model server's present life, rises when it starts anew, and what it had cached is gone: seconds since the
 * Unix epoch, 1 where no start is known, 0 where the sender does not watch it.
 */
export const ENDPOINT_EPOCH: u32 = 80;
/** One bit a class of the pool, the first one lowest: requests of that class may be sent here. */
export const ENDPOINT_CLASSES: u32 = 84;
export const ENDPOINT_STRIDE: u32 = 88;
/** Of tables without TABLE_FLAG_PICKING. */
export const ENDPOINT_STRIDE_V1: u32 = 80;

export const AGE_NEVER: u32 = 0xffffffff;

/** May be picked. */
export const ENDPOINT_FLAG_READY: u32 = 1;
/** Terminating: nothing new. */
export const ENDPOINT_FLAG_DRAINING: u32 = 2;
/** Has no metrics by configuration: no load columns, yet not suspect. */
export const ENDPOINT_FLAG_UNMEASURED: u32 = 4;

/** One bit a measurement; a column whose bit is off says nothing (it is not zero). */
export const VALID_QUEUED: u32 = 1;
export const VALID_RUNNING: u32 = 2;
export const VALID_KV_USED: u32 = 4;
export const VALID_KV_BLOCKS: u32 = 8;
export const VALID_KV_BLOCK_TOKENS: u32 = 16;
export const VALID_ADAPTERS: u32 = 32;
export const VALID_REMOTE: u32 = 64;
/** The columns that a stale row loses. */
export const VALID_LOAD_COLUMNS: u32 = 39;

/*  CLUSTERS: Envoy cluster name → pool.  | name string | pool index u32 | */
export const CLUSTER_NAME: u32 = 0;
export const CLUSTER_POOL: u32 = 8;
export const CLUSTER_STRIDE: u32 = 12;

/*  MODELS: names that a pool serves.  | name string | flags u32 | priority i32 | */
export const MODEL_NAME: u32 = 0;
export const MODEL_FLAGS: u32 = 8;
export const MODEL_PRIORITY: u32 = 12;
export const MODEL_STRIDE: u32 = 16;
export const MODEL_FLAG_ADAPTER: u32 = 1;
/** MODEL_PRIORITY holds a priority. */
export const MODEL_FLAG_PRIORITY: u32 = 2;

/*  ADAPTERS: LoRA adapters on an endpoint.  | name string | state u32 | */
export const ADAPTER_NAME: u32 = 0;
/** An adapter that a server lists as running and as waiting is running. */
export const ADAPTER_STATE: u32 = 8;
export const ADAPTER_STRIDE: u32 = 12;
export const ADAPTER_RUNNING: u32 = 1;
export const ADAPTER_WAITING: u32 = 2;

/*  OBJECTIVES  | name string | priority i32 |  higher wins, negative may be shed */
export const OBJECTIVE_NAME: u32 = 0;
export const OBJECTIVE_PRIORITY: u32 = 8;
export const OBJECTIVE_STRIDE: u32 = 12;

/*  SCORERS: a pool's own mix.  | kind u32 | weight f32 > 0 |  each kind at most once a pool */
export const SCORER_KIND: u32 = 0;
export const SCORER_WEIGHT: u32 = 4;
export const SCORER_STRIDE: u32 = 8;
export const SCORER_QUEUE_DEPTH: u32 = 1;
export const SCORER_KV_CACHE_UTILIZATION: u32 = 2;
export const SCORER_RUNNING_REQUESTS: u32 = 3;
export const SCORER_IN_FLIGHT: u32 = 4;
export const SCORER_LORA_AFFINITY: u32 = 5;
export const SCORER_PREFIX_AFFINITY: u32 = 6;

/*  REWRITES: a pool's rules in the order in which they are tried: exact names first, then the one for any.
 *   0               8             16
 *  | model string   | targets     |
 *  | 0 bytes: any   | start, count|  count >= 1
 */
export const REWRITE_MODEL: u32 = 0;
export const REWRITE_TARGET_START: u32 = 8;
export const REWRITE_TARGET_COUNT: u32 = 12;
export const REWRITE_STRIDE: u32 = 16;

/*  TARGETS: what a rule rewrites to, drawn by weight.  | model string, not empty | weight u32 1..1000000 | */
export const TARGET_MODEL: u32 = 0;
export const TARGET_WEIGHT: u32 = 8;
export const TARGET_STRIDE: u32 = 12;
export const MAX_TARGET_WEIGHT: u32 = 1000000;
/** Rows of one rule: the sum of weights stays in 32 bits. */
export const MAX_RULE_TARGETS: u32 = 1024;

/*  APIS: paths of a pool beside the built-in ones, tried before them.
 *  | suffix string | api u32 |  the one that covers the most bytes of the path counts, of equals the first
 *
 *  A suffix is one or more times `/` and a segment: visible ASCII without `/ ? # { }`, or once `{model}`.
 */
export const API_SUFFIX: u32 = 0;
export const API_KIND: u32 = 8;
export const API_STRIDE: u32 = 12;
/** Rows of one pool: each is compared with each request's path. */
export const MAX_POOL_APIS: u32 = 64;
export const MAX_SUFFIX_BYTES: u32 = 256;

/** Not inference, or unknown: load alone decides. */
export const API_NONE: u32 = 0;
export const API_OPENAI_CHAT: u32 = 1;
export const API_OPENAI_COMPLETIONS: u32 = 2;
export const API_OPENAI_RESPONSES: u32 = 3;
export const API_OPENAI_EMBEDDINGS: u32 = 4;
/** Transcription and translation: multipart/form-data with a field `model`. */
export const API_OPENAI_AUDIO: u32 = 5;
/** Generation (JSON) and edits (multipart). */
export const API_OPENAI_IMAGES: u32 = 6;
export const API_ANTHROPIC_MESSAGES: u32 = 7;
/** A JSON object with a top-level `model`: rerank, score, classify, pooling, tokenize, speech. */
export const API_JSON: u32 = 8;
/** The API_* numbers end before this one. */
export const API_KINDS: u32 = 9;

/*  ROUTES: routes of the gateway on which the request's model chooses the pool.
 *   0               8              16
 *  | name of the    | pools        |
 *  | Envoy route    | start, count |  count >= 1; the first pool that lists the model; none: that of the route's cluster
 */
export const ROUTE_NAME: u32 = 0;
export const ROUTE_POOL_START: u32 = 8;
export const ROUTE_POOL_COUNT: u32 = 12;
export const ROUTE_STRIDE: u32 = 16;

/*  ROUTE_POOLS  | pool index u32 |  each pool at most once a route */
export const ROUTE_POOL_INDEX: u32 = 0;
export const ROUTE_POOL_STRIDE: u32 = 4;

/*  CLASSES: requests of a pool that go to some of its endpoints only.
 *   0               8       12           16           20
 *  | header's value | kind  | fewest     | most       |
 *  | string         | u32   | tokens u32 | tokens u32 |  fewest <= most; 0 and 0 but for CLASS_LENGTH
 */
/** Of CLASS_HEADER: the value that asks for it; 0 bytes: any other value, and none. Empty but for CLASS_HEADER. */
export const CLASS_VALUE: u32 = 0;
export const CLASS_KIND: u32 = 8;
/** Of CLASS_LENGTH: tokens of the prompt, and both ends are in the class. */
export const CLASS_MIN_TOKENS: u32 = 12;
export const CLASS_MAX_TOKENS: u32 = 16;
export const CLASS_STRIDE: u32 = 20;
/** By the value of the pool's class header; of equal values, the first. */
export const CLASS_HEADER: u32 = 1;
/** By the length of the prompt; of several that hold it, the first. */
export const CLASS_LENGTH: u32 = 2;
/** Rows of one pool: each is a bit of ENDPOINT_CLASSES. */
export const MAX_POOL_CLASSES: u32 = 32;

/*  EXCHANGE: what all who tell each other of prompts have in common; one row, or none.
 *   0        8
 *  | secret |
 *  | u64    |
 */
/** With it the keys of prompts are made; 0: the sender knows none, the receiver keeps what it has. */
export const EXCHANGE_SECRET: u32 = 0;
export const EXCHANGE_STRIDE: u32 = 8;

// --- report: from an Envoy to the controller; header epoch and sequence name the table applied ----
export const REPORT_SECTION_IDENTITY: u32 = 0;
export const REPORT_SECTION_ENDPOINTS: u32 = 1;
export const REPORT_SECTION_STRINGS: u32 = 2;
export const REPORT_SECTION_POOLS: u32 = 3;
/** As in a table: the secret in use, from who takes messages of prefixes. */
export const REPORT_SECTION_EXCHANGE: u32 = 4;
export const REPORT_SECTION_LEARNED: u32 = 5;
export const REPORT_SECTION_SPEEDS: u32 = 6;
export const REPORT_SECTIONS: u32 = 7;

/*  IDENTITY: exactly one row.
 *   0        8            16          24         28        32
 *  | node   | generation | holder    | tables   | last    | live
 *  | string | u64        | u64       | refused  | refusal | slots u32
 */
/** Envoy's node id. */
export const IDENTITY_NODE: u32 = 0;
export const IDENTITY_GENERATION: u32 = 8;
export const IDENTITY_HOLDER: u32 = 16;
export const IDENTITY_REFUSED: u32 = 24;
/** A REFUSED_* number, 0 if none. */
export const IDENTITY_LAST_REFUSAL: u32 = 28;
export const IDENTITY_LIVE_SLOTS: u32 = 32;
export const IDENTITY_STRIDE: u32 = 40;

/*  ENDPOINTS of a report
 *   0       8           12          16          24
 *  | id    | requests  | uncached  | resident  | picks
 *  | u64   | in flight | tokens    | tokens u64| u64; counts up while the VMs live, falls when one dies
 */
export const TALLY_ID: u32 = 0;
export const TALLY_REQUESTS: u32 = 8;
export const TALLY_UNCACHED_TOKENS: u32 = 12;
export const TALLY_RESIDENT_TOKENS: u32 = 16;
export const TALLY_PICKS: u32 = 24;
export const TALLY_STRIDE: u32 = 32;

/*  POOLS of a report: only those whose profile names a scorer that the filter does not have.
 *   0               8          12         16
 *  | FNV-1a of name | missing  | reserved |
 *  | u64            | u32      |          |
 */
export const POOL_TERMS_ID: u32 = 0;
/** One bit a scorer: `1 << SCORER_*`. */
export const POOL_TERMS_MISSING: u32 = 8;
export const POOL_TERMS_STRIDE: u32 = 16;

/*  LEARNED: what the sender has learned of a pool's endpoints; of all pools it knows, or of none in this report.
 *   0               8        12       16       20        24         28        32          36         40
 *  | FNV-1a of name | step   | context| sequence| prompt | output   | tokens  | seen      | reserved |
 *  | u64            | ms f32 | f32    | ms f32  | ms f32 | tokens   | a byte  | u32       |          |
 */
export const LEARNED_POOL: u32 = 0;
/** Time of a step whatever is in it, f32 ms; of each token of context; of each sequence; of each token of prompt. */
export const LEARNED_STEP_MS: u32 = 8;
export const LEARNED_CONTEXT_TOKEN_MS: u32 = 12;
export const LEARNED_SEQUENCE_MS: u32 = 16;
export const LEARNED_PROMPT_TOKEN_MS: u32 = 20;
/** Mean tokens of an answer, f32. */
export const LEARNED_OUTPUT_TOKENS: u32 = 24;
/** Tokens of a prompt for each of its bytes, f32 > 0. */
export const LEARNED_TOKENS_PER_BYTE: u32 = 28;
/** First tokens and answers that it was learned from. */
export const LEARNED_OBSERVATIONS: u32 = 32;
export const LEARNED_STRIDE: u32 = 40;

/*  SPEEDS: of endpoints, together with LEARNED.  | id u64 | slowness f32 | reserved u32 | */
export const SPEED_ID: u32 = 0;
/** How many times as long as the mean endpoint of its pool it takes, f32 > 0. */
export const SPEED_SLOWNESS: u32 = 8;
export const SPEED_STRIDE: u32 = 16;

// --- prefixes: which prompts went where, see prefixes.ts; both ways -------------------------------------
//     Header epoch: a name of the secret of their keys; sequence: counts the sender's messages, from 1.
export const PREFIXES_SECTION_RECORDS: u32 = 0;
export const PREFIXES_SECTIONS: u32 = 1;

// --- accounts: what one VM of an Envoy has counted since its start, complete and cumulative ---------
//     Header epoch: a random number of the VM's own; sequence: counts its messages, from 1.
export const ACCOUNTS_SECTION_IDENTITY: u32 = 0;
export const ACCOUNTS_SECTION_ROWS: u32 = 1;
export const ACCOUNTS_SECTION_COUNTS: u32 = 2;
export const ACCOUNTS_SECTION_STRINGS: u32 = 3;
export const ACCOUNTS_SECTIONS: u32 = 4;

/*  IDENTITY of accounts: exactly one row.
 *   0        8          16
 *  | node   | age (u64)|   age: ms since the VM's start, at writing
 *  | string |          |
 */
export const ACCOUNTS_NODE: u32 = 0;
export const ACCOUNTS_AGE_MS: u32 = 8;
export const ACCOUNTS_IDENTITY_STRIDE: u32 = 16;

/*  ROWS: one row a pool, model and target; no three names twice.
 *   0        8        16       24             32        36         40
 *  | pool   | model  | target | counts       | running | reserved |
 *  | string | string | string | start, count | u32     |          |
 */
/** `namespace/name` */
export const ACCOUNT_POOL: u32 = 0;
/** As the request names it; empty: it names none; OTHER_NAME: one that the pool does not list. */
export const ACCOUNT_MODEL: u32 = 8;
/** What the endpoint is asked for. */
export const ACCOUNT_TARGET: u32 = 16;
export const ACCOUNT_COUNT_START: u32 = 24;
export const ACCOUNT_COUNT_COUNT: u32 = 28;
/** Requests under way: the only column that falls. */
export const ACCOUNT_RUNNING: u32 = 32;
export const ACCOUNT_STRIDE: u32 = 40;
/** Rows of a VM. What comes beyond is counted as OTHER_NAME. */
export const MAX_ACCOUNT_ROWS: u32 = 512;

/*  COUNTS: what a row has counted, only what is not zero; a group and an index come at most once a row.
 *   0       2       4               12
 *  | index | group | value, rises  |
 *  | u16   | u16   | u64 < 2^53    |
 */
export const COUNT_INDEX: u32 = 0;
export const COUNT_GROUP: u32 = 2;
export const COUNT_VALUE: u32 = 4;
export const COUNT_STRIDE: u32 = 12;
/** COUNTS rows of one ROWS row. */
export const MAX_ROW_COUNTS: u32 = 1024;

/** Group of the counters COUNTER_*. */
export const GROUP_COUNTERS: u32 = 0;
/** Group of the requests that failed; index: ERROR_*. */
export const GROUP_ERRORS: u32 = 1;
/** Group of the histograms' sums, in the unit of their bounds; index: HISTOGRAM_*. */
export const GROUP_SUMS: u32 = 2;
/** Group of the buckets of histogram h: GROUP_BUCKETS + h; index: bucket, the last one above all bounds. */
export const GROUP_BUCKETS: u32 = 16;

export const COUNTER_REQUESTS: u32 = 0;
/** Endpoints looked for and found. */
export const COUNTER_PICKED: u32 = 1;
/** Endpoints looked for and not found. */
export const COUNTER_UNPICKED: u32 = 2;
export const COUNTERS: u32 = 3;

/** Answered by the filter: the request is at fault (4xx other than 429). */
export const ERROR_BAD_REQUEST: u32 = 0;
/** Answered by the filter: the pool is saturated (429). */
export const ERROR_EXHAUSTED: u32 = 1;
/** Answered by the filter: no endpoint (503). */
export const ERROR_UNAVAILABLE: u32 = 2;
/** Answered by the filter: anything else. */
export const ERROR_INTERNAL: u32 = 3;
/** The endpoint answered 5xx. */
export const ERROR_MODEL_SERVER: u32 = 4;
/** The endpoint answered 4xx. */
export const ERROR_MODEL_SERVER_REFUSED: u32 = 5;
export const ERROR_UPSTREAM_RESET: u32 = 6;
export const ERROR_CLIENT_GONE: u32 = 7;
export const ERROR_UNKNOWN: u32 = 8;
export const ERRORS: u32 = 9;

// --- why a reader refuses a message -------------------------------------------------------------
export const ACCEPTED: u32 = 0;
export const REFUSED_TRUNCATED: u32 = 1;
export const REFUSED_OVERSIZED: u32 = 2;
export const REFUSED_MAGIC: u32 = 3;
export const REFUSED_FOREIGN_ENDIAN: u32 = 4;
export const REFUSED_VERSION: u32 = 5;
export const REFUSED_KIND: u32 = 6;
export const REFUSED_HEADER: u32 = 7;
/** A section lies outside the message, or its stride is too short. */
export const REFUSED_SECTION: u32 = 8;
export const REFUSED_TOO_MANY_ROWS: u32 = 9;
/** A string or a run of rows points outside its section, is longer than its bound, or shares its rows. */
export const REFUSED_REFERENCE: u32 = 10;
/** A value outside its range: an unknown enumeration, a ratio that is not a number, an id that is not its address's. */
export const REFUSED_VALUE: u32 = 11;
export const REFUSED_STALE_SEQUENCE: u32 = 12;
