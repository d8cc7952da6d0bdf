/**
 * The core for Node: one table, ledger, picker and scanner behind plain functions, so that a caller
 * needs nothing but WebAssembly's own API. Buffers come from `allocate` and are the caller's.
 */
export * from "./exports/memory";
export * from "./exports/table";
export * from "./exports/routing";
export * from "./exports/ledger";
export * from "./exports/picking";
export * from "./exports/narrowing";
export * from "./exports/flights";
export * from "./exports/learning";
export * from "./exports/body";
export * from "./exports/accounts";
export * from "./exports/response";
export * from "./exports/prefix";
