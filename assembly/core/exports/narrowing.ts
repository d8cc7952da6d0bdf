import { readToken, writeToken } from "../sessions";
import { request, table } from "./state";

/** Endpoints that the next picks' request may go to: a subset hint of `bytes` bytes at `ptr`. */
export function setSubset(ptr: usize, bytes: i32): void {
  request.subset.read(ptr, bytes);
}

/** The value of the pool's class header; no bytes: it is missing. */
export function setClass(pool: i32, ptr: usize, bytes: i32): void {
  request.classBit = table.classes.ofHeader(table, pool, ptr, bytes);
}

/** The next picks' request bears a session token. */
export function setSession(ptr: usize, bytes: i32): void {
  request.session = readToken(ptr, bytes);
}

/** Writes the token of the row's endpoint at `ptr`, 16 bytes. */
export function sessionOf(row: i32, ptr: usize): void {
  writeToken(ptr, table.sessions.of(row));
}
