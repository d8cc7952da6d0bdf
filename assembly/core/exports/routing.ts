import { Random } from "../random";
import { table } from "./state";

let random = new Random(1);

/** What `drawTarget` gives from now on depends on `seed` alone. */
export function seedDraws(seed: u64): void {
  random = new Random(seed);
}

export function ruleOf(pool: i32, ptr: usize, bytes: i32): i32 {
  return table.rewrites.ruleOf(pool, ptr, bytes);
}

export function drawTarget(rule: i32): i32 {
  return table.rewrites.target(rule, random);
}

export function targetOf(pool: i32, ptr: usize, bytes: i32): i32 {
  return table.rewrites.targetOf(pool, ptr, bytes);
}

export function targetPtr(target: i32): usize {
  return table.rewrites.targetPtr(target);
}

export function targetBytes(target: i32): i32 {
  return table.rewrites.targetBytes(target);
}

export function knowsModel(pool: i32, ptr: usize, bytes: i32): bool {
  return table.knowsModel(pool, ptr, bytes);
}

export function apiOf(pool: i32, ptr: usize, bytes: i32): u32 {
  return table.apis.apiOf(pool, ptr, bytes);
}

/** Of the last `apiOf`; -1: the path names no model. */
export function apiModelStart(): i32 {
  return table.apis.modelStart;
}

export function apiModelEnd(): i32 {
  return table.apis.modelEnd;
}

export function routeOf(ptr: usize, bytes: i32): i32 {
  return table.routes.routeOf(ptr, bytes);
}

export function poolForModel(route: i32, ptr: usize, bytes: i32): i32 {
  return table.poolForModel(route, ptr, bytes);
}

export function beginListing(route: i32): void {
  table.listing.begin(table, route);
}

export function nextListed(): bool {
  return table.listing.next();
}

export function listedPtr(): usize {
  return table.listing.namePtr;
}

export function listedBytes(): i32 {
  return table.listing.nameBytes;
}

export function listedPool(): i32 {
  return table.listing.pool;
}

export function listedAdapter(): bool {
  return table.listing.isAdapter;
}

/** `apiOf` so many times; a sum of what it said. */
export function benchApi(pool: i32, ptr: usize, bytes: i32, rounds: i32): u32 {
  let sum: u32 = 0;
  for (let round = 0; round < rounds; round++) sum += table.apis.apiOf(pool, ptr, bytes);
  return sum;
}

/** A rule looked up and a target drawn so many times; a sum of the targets. */
export function benchRewrite(pool: i32, ptr: usize, bytes: i32, rounds: i32): u32 {
  let sum: u32 = 0;
  for (let round = 0; round < rounds; round++) {
    sum += <u32>table.rewrites.target(table.rewrites.ruleOf(pool, ptr, bytes), random);
  }
  return sum;
}
