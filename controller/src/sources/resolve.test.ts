import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PickerError } from "../errors.ts";
import type { Endpoint, Inventory } from "../model.ts";
import { parsePools } from "./pools-parse.ts";
import { canonicalIp, createResolver, type Lookup, systemLookup } from "./resolve.ts";

function inventory(...addresses: readonly string[]): Inventory {
  const source = JSON.stringify({ pools: [{ name: "p", endpoints: addresses }] });
  return parsePools(source, { path: "/pools.yaml", env: {}, readText: () => "" });
}

interface Harness {
  readonly answers: Map<string, readonly string[] | Error | "hang">;
  /** Ends the lookups of a name that hang. */
  release(host: string, ips: readonly string[]): void;
  readonly asked: string[];
  readonly seen: (readonly Endpoint[])[];
  /** With each report, the pools that were withheld. */
  readonly withheld: (readonly string[])[];
  readonly errors: PickerError[];
  readonly resolver: ReturnType<typeof createResolver>;
  /** Runs the timers of up to `elapsedMs` more, in order, and what they set off. */
  advance(elapsedMs: number): Promise<void>;
  addresses(): readonly string[] | undefined;
}

function harness(timeoutMs = 300): Harness {
  const answers = new Map<string, readonly string[] | Error | "hang">();
  const asked: string[] = [];
  const seen: (readonly Endpoint[])[] = [];
  const withheld: (readonly string[])[] = [];
  const hanging = new Map<string, ((ips: readonly string[]) => void)[]>();
  const errors: PickerError[] = [];
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  let nowMs = 0;
  const lookup: Lookup = async (host) => {
    asked.push(host);
    const answer = answers.get(host) ?? new Error("ENOTFOUND");
    if (answer === "hang")
      return new Promise((resolve) => hanging.set(host, [...(hanging.get(host) ?? []), resolve]));
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const resolver = createResolver({
    onEndpoints: (endpoints, unknown) => {
      seen.push(endpoints);
      withheld.push([...unknown]);
    },
    onError: (error) => errors.push(error),
    lookup,
    intervalMs: 1000,
    timeoutMs,
    setTimer: (callback, delayMs) => {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    answers,
    asked,
    seen,
    withheld,
    errors,
    resolver,
    release: (host, ips) => {
      for (const resolve of hanging.get(host) ?? []) resolve(ips);
      hanging.delete(host);
    },
    async advance(elapsedMs) {
      const untilMs = nowMs + elapsedMs;
      await settle();
      for (;;) {
        const next = [...timers].sort((left, right) => left.atMs - right.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        timers.delete(next);
        nowMs = next.atMs;
        next.callback();
        await settle();
      }
      nowMs = untilMs;
    },
    addresses: () => seen.at(-1)?.map((endpoint) => `${endpoint.spec.name} ${endpoint.address}`),
  };
}

describe("the resolver", () => {
  it("reports IP literals at once and asks nobody", () => {
    const { resolver, seen, asked, addresses } = harness();
    resolver.setInventory(inventory("10.0.0.1:80", "[2001:DB8:0:0:1:0:0:1]:80"));
    assert.equal(seen.length, 1);
    assert.deepEqual(addresses(), [
      "10.0.0.1:80 10.0.0.1:80",
      "[2001:db8::1:0:0:1]:80 [2001:db8::1:0:0:1]:80",
    ]);
    assert.deepEqual(asked, []);
    assert.equal(seen[0]?.[1]?.ip, "2001:db8::1:0:0:1");
    assert.equal(seen[0]?.[1]?.pool, "default/p");
  });

  it("waits with the first report while nothing is known", async () => {
    const { resolver, seen, answers, advance, addresses } = harness();
    answers.set("a", ["10.0.0.1"]);
    resolver.setInventory(inventory("a:80"));
    assert.equal(seen.length, 0);
    await advance(50);
    assert.deepEqual(addresses(), ["a:80 10.0.0.1:80"]);
  });

  it("makes several addresses several endpoints, named in the order of the addresses", async () => {
    const { resolver, answers, advance, addresses } = harness();
    answers.set("a", ["10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2"]);
    resolver.setInventory(inventory("a:80"));
    await advance(50);
    assert.deepEqual(addresses(), ["a:80-0 10.0.0.1:80", "a:80-1 10.0.0.2:80", "a:80-2 [fd00::1]:80"]);
  });

  it("asks again every interval and reports only changes, not another order", async () => {
    const { resolver, answers, advance, seen, asked, addresses } = harness();
    answers.set("a", ["10.0.0.1", "10.0.0.2"]);
    resolver.setInventory(inventory("a:80"));
    await advance(50);
    answers.set("a", ["10.0.0.2", "10.0.0.1"]);
    await advance(1000);
    assert.equal(asked.length, 2);
    assert.equal(seen.length, 1);
    answers.set("a", ["10.0.0.3"]);
    await advance(1000);
    assert.deepEqual(addresses(), ["a:80 10.0.0.3:80"]);
  });

  it("keeps the last good answers when a name fails, and says so once", async () => {
    const { resolver, answers, advance, seen, errors } = harness();
    answers.set("a", ["10.0.0.1"]);
    resolver.setInventory(inventory("a:80"));
    await advance(50);
    answers.set("a", new Error("SERVFAIL"));
    await advance(3000);
    assert.equal(seen.length, 1);
    assert.deepEqual(
      errors.map((error) => [error.code, error.message]),
      [["RESOLVE_FAILED", "a: SERVFAIL; 1 addresses kept"]],
    );
    answers.set("a", []);
    await advance(1000);
    assert.equal(errors.at(-1)?.message, "a: no addresses; 1 addresses kept");
    answers.set("a", ["10.0.0.1"]);
    await advance(1000);
    answers.set("a", []);
    await advance(1000);
    assert.equal(errors.length, 3);
    assert.equal(seen.length, 1);
  });

  it("reports names that hang as failing, and asks no more at once than it may until a lookup returns", async () => {
    const { resolver, answers, asked, release, advance, errors, seen, addresses } = harness();
    for (const host of ["h1", "h2"]) answers.set(host, "hang");
    answers.set("good", ["10.0.0.9"]);
    resolver.setInventory(inventory("h1:80", "h2:80", "good:80", "10.0.0.1:80"));
    await advance(2500);
    assert.deepEqual(asked, ["h1", "h2"]);
    assert.deepEqual(addresses(), ["10.0.0.1:80 10.0.0.1:80"]);
    assert.deepEqual(
      errors.map((error) => error.message),
      ["h1", "h2", "good"].map((host) => `${host}: no answer in 300 ms; 0 addresses kept`),
    );
    assert.equal(seen.length, 1);
    release("h1", ["10.0.0.8"]);
    await advance(50);
    assert.deepEqual(asked.slice(2), ["good", "h1"]);
    assert.deepEqual(addresses(), ["h1:80 10.0.0.8:80", "good:80 10.0.0.9:80", "10.0.0.1:80 10.0.0.1:80"]);
  });

  it("holds a report until every name is answered or has failed, 1.5 s at most", async () => {
    const { resolver, answers, release, advance, seen, withheld, addresses } = harness(5000);
    for (const host of ["slow", "slower"]) answers.set(host, "hang");
    resolver.setInventory(inventory("10.0.0.1:80", "slow:80", "slower:80"));
    await advance(1000);
    release("slow", ["10.0.0.2"]);
    await advance(499);
    assert.equal(seen.length, 0);
    await advance(1);
    assert.deepEqual(addresses(), ["10.0.0.1:80 10.0.0.1:80", "slow:80 10.0.0.2:80"]);
    assert.deepEqual(withheld, [["default/p"]]);
    release("slower", ["10.0.0.3"]);
    await advance(20);
    assert.equal(addresses()?.length, 3);
    assert.deepEqual(withheld.at(-1), []);
  });

  it("withholds no pool for a name that has failed, nor for one that a later edit brings", async () => {
    const { resolver, answers, advance, withheld, addresses } = harness(5000);
    resolver.setInventory(inventory("10.0.0.1:80", "nobody:80"));
    await advance(20);
    assert.deepEqual(withheld, [[]]);
    answers.set("slow", "hang");
    resolver.setInventory(inventory("10.0.0.2:80", "slow:80"));
    await advance(1500);
    assert.deepEqual(addresses(), ["10.0.0.2:80 10.0.0.2:80"]);
    assert.deepEqual(withheld.at(-1), []);
  });

  it("keeps a pool's earlier endpoints while none of its names resolves, and says so once", async () => {
    const { resolver, answers, advance, errors, addresses } = harness();
    answers.set("right", ["10.0.0.1"]);
    resolver.setInventory(inventory("right:80"));
    await advance(20);
    resolver.setInventory(inventory("wrong:80"));
    await advance(3000);
    assert.deepEqual(addresses(), ["right:80 10.0.0.1:80"]);
    assert.deepEqual([...resolver.stranded()], ["default/p"]);
    assert.deepEqual(
      errors.map((error) => error.message),
      [
        "wrong: ENOTFOUND; 0 addresses kept",
        "default/p: none of its names resolves; its 1 earlier endpoints stay",
      ],
    );
    answers.set("wrong", ["10.0.0.2"]);
    await advance(1020);
    assert.deepEqual(addresses(), ["wrong:80 10.0.0.2:80"]);
    assert.equal(resolver.stranded().size, 0);
    resolver.setInventory(inventory("wrong:80", "mistyped:80"));
    await advance(20);
    assert.deepEqual(addresses(), ["wrong:80 10.0.0.2:80"], "what resolves is enough");
    resolver.setInventory(inventory());
    assert.deepEqual(addresses(), []);
  });

  it("forgets names that no pool has any more, and reports a new inventory even at equal addresses", async () => {
    const { resolver, answers, advance, seen, addresses } = harness();
    answers.set("a", ["10.0.0.1"]);
    resolver.setInventory(inventory("a:80"));
    await advance(50);
    resolver.setInventory(inventory("a:80"));
    assert.equal(seen.length, 2);
    await advance(50);
    resolver.setInventory(inventory("10.0.0.5:80"));
    assert.deepEqual(addresses(), ["10.0.0.5:80 10.0.0.5:80"]);
    answers.set("a", new Error("ENOTFOUND"));
    resolver.setInventory(inventory("a:80", "10.0.0.5:80"));
    await advance(50);
    assert.deepEqual(addresses(), ["10.0.0.5:80 10.0.0.5:80"]);
  });

  it("stops asking when closed", async () => {
    const { resolver, answers, advance, seen, asked } = harness();
    answers.set("a", ["10.0.0.1"]);
    resolver.setInventory(inventory("a:80"));
    resolver.close();
    await advance(5000);
    assert.equal(asked.length, 1);
    assert.equal(seen.length, 0);
  });

  it("reads the system's names", async () => {
    const found = await systemLookup("localhost");
    assert.ok(found.some((ip) => ip === "127.0.0.1" || ip === "::1"));
  });

  it("spells addresses as Envoy does", () => {
    assert.equal(canonicalIp("FD00:0:0:0::1"), "fd00::1");
    assert.equal(canonicalIp("::FFFF:10.0.0.1"), "::ffff:10.0.0.1");
    assert.equal(canonicalIp("10.0.0.1"), "10.0.0.1");
    assert.equal(canonicalIp("fe80::1%eth0"), undefined);
    assert.equal(canonicalIp("name"), undefined);
  });
});
