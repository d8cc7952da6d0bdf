import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ModelSpec } from "../model.ts";
import { PoolModels } from "./pool-models.ts";

const KEEP_MS = 60_000;

const base = (...names: readonly string[]): readonly ModelSpec[] =>
  names.map((name) => ({ name, adapter: false }));
const adapters = (...names: readonly string[]): readonly ModelSpec[] =>
  names.map((name) => ({ name, adapter: true }));
const names = (pool: PoolModels, nowMs: number) => pool.union(nowMs)?.map(({ name }) => name);

describe("the models of a pool", () => {
  it("are those of all its endpoints, base models first, whoever lists them in which order", () => {
    const one = new PoolModels(KEEP_MS);
    one.listed("a", [...base("m"), ...adapters("y")], 0);
    one.listed("b", [...adapters("x"), ...base("m", "l")], 0);
    const other = new PoolModels(KEEP_MS);
    other.listed("b", [...base("l", "m"), ...adapters("x")], 0);
    other.listed("a", [...adapters("y"), ...base("m")], 0);
    assert.deepEqual(one.union(0), [...base("l", "m"), ...adapters("x", "y")]);
    assert.deepEqual(other.union(0), one.union(0));
  });

  it("are not known before the first list, and none where that is empty", () => {
    const pool = new PoolModels(KEEP_MS);
    assert.equal(pool.union(0), undefined);
    pool.retain(new Set(["a"]));
    assert.equal(pool.union(0), undefined);
    pool.listed("a", [], 0);
    assert.deepEqual(pool.union(0), []);
  });

  it("are put together anew only where a list has changed or no longer counts", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", base("a"), 0);
    pool.listed("b", [...base("b"), ...adapters("x")], 0);
    const first = pool.union(0);
    pool.listed("b", [...base("b"), ...adapters("x")], 1000);
    pool.retain(new Set(["a", "b"]));
    assert.equal(pool.union(1000), first);
    pool.listed("b", base("b", "x"), 2000);
    assert.deepEqual(names(pool, 2000), ["a", "b", "x"]);
    assert.equal(pool.union(2000 + KEEP_MS)?.length, 2);
    pool.listed("a", base("a"), 2000 + KEEP_MS);
    assert.deepEqual(names(pool, 2000 + KEEP_MS), ["a", "b", "x"]);
    pool.listed("a", base("a"), 2001 + KEEP_MS);
    assert.deepEqual(names(pool, 2001 + KEEP_MS), ["a"]);
    pool.listed("b", base("b", "x"), 2001 + KEEP_MS);
    assert.deepEqual(names(pool, 2001 + KEEP_MS), ["a", "b", "x"]);
  });

  it("are no adapters where one endpoint serves them as base models", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", adapters("m"), 0);
    pool.listed("b", base("m"), 0);
    pool.listed("c", adapters("m"), 0);
    assert.deepEqual(pool.union(0), base("m"));
  });

  it("are those of an endpoint that fails for a while", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", base("a"), 0);
    pool.listed("b", base("b"), 0);
    pool.listed("b", base("b"), KEEP_MS);
    assert.deepEqual(names(pool, KEEP_MS), ["a", "b"]);
    assert.deepEqual(names(pool, KEEP_MS + 1), ["b"]);
  });

  it("last as long as all endpoints fail", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", base("a"), 0);
    pool.listed("b", base("b"), 1);
    assert.deepEqual(names(pool, 100 * KEEP_MS), ["a", "b"]);
    pool.listed("b", base("c"), 100 * KEEP_MS);
    assert.deepEqual(names(pool, 100 * KEEP_MS), ["c"]);
  });

  it("are not those of an endpoint that is gone", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", base("a"), 0);
    pool.listed("b", base("b"), 0);
    pool.retain(new Set(["b"]));
    assert.deepEqual(names(pool, 0), ["b"]);
  });

  it("outlast a change of all endpoints until one of the new ones answers, for a while", () => {
    const pool = new PoolModels(KEEP_MS);
    pool.listed("a", base("a"), 0);
    assert.deepEqual(names(pool, 0), ["a"]);
    pool.retain(new Set(["b"]));
    assert.deepEqual(names(pool, KEEP_MS), ["a"]);
    assert.deepEqual(names(pool, KEEP_MS + 1), []);
    pool.listed("b", base("b"), KEEP_MS + 2);
    assert.deepEqual(names(pool, KEEP_MS + 2), ["b"]);
  });
});
