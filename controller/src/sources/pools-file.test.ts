import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PickerError } from "../errors.ts";
import { type PoolsFileOptions, type PoolsFileWatch, readPoolsFile, watchPoolsFile } from "./pools-file.ts";

let folder = "";
let watch: PoolsFileWatch | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pools-file-"));
});

afterEach(() => {
  watch?.close();
  watch = undefined;
  rmSync(folder, { recursive: true });
});

function pools(name: string, more = ""): string {
  return `pools:\n- name: ${name}\n  endpoints: [10.0.0.1:80]\n${more}`;
}

/** What the watch reported, in order: pool names, or `code: first line` of an error. */
function start(path: string, options: Partial<PoolsFileOptions> = {}) {
  const events: string[] = [];
  let wake: () => void = () => {};
  const push = (event: string): void => {
    events.push(event);
    wake();
  };
  watch = watchPoolsFile(path, {
    onInventory: ({ pools: [pool] }) => push(`${pool?.name} ${pool?.upstreamApiKey ?? ""}`.trim()),
    onError: (error) => push(`${error.code}: ${error.message.split("\n")[0]}`),
    env: {},
    pollMs: 20,
    settleMs: 10,
    setTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    ...options,
  });
  const until = async (count: number): Promise<readonly string[]> => {
    while (events.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return events;
  };
  return { events, until };
}

describe("a watched pools file", () => {
  it("is reported at the start and after each valid edit in place", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const { until } = start(path);
    writeFileSync(path, pools("two"));
    assert.deepEqual(await until(2), ["one", "two"]);
  });

  it("is followed when an editor replaces it", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const { until } = start(path);
    for (const [index, name] of ["two", "three"].entries()) {
      writeFileSync(join(folder, "new"), pools(name));
      renameSync(join(folder, "new"), path);
      await until(2 + index);
    }
    assert.deepEqual(await until(3), ["one", "two", "three"]);
  });

  it("is followed through the links by which Kubernetes swaps a mounted ConfigMap", async () => {
    for (const [version, name] of [
      ["..v1", "one"],
      ["..v2", "two"],
    ] as const) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "pools.yaml"), pools(name));
    }
    symlinkSync("..v1", join(folder, "..data"));
    symlinkSync("..data/pools.yaml", join(folder, "pools.yaml"));
    const { until } = start(join(folder, "pools.yaml"));
    symlinkSync("..v2", join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    assert.deepEqual(await until(2), ["one", "two"]);
  });

  it("is followed by polling alone where the file system sends no events", async () => {
    // The file's folder stays as it is; the link leads elsewhere.
    mkdirSync(join(folder, "watched"));
    writeFileSync(join(folder, "real.yaml"), pools("one"));
    symlinkSync(join(folder, "real.yaml"), join(folder, "watched", "pools.yaml"));
    const { until } = start(join(folder, "watched", "pools.yaml"));
    writeFileSync(join(folder, "real.yaml"), pools("two"));
    assert.deepEqual(await until(2), ["one", "two"]);
  });

  it("survives a bad edit, which is reported once, and recovers with the next good one", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const { until } = start(path);
    writeFileSync(path, pools("two", "  profil: epp\n"));
    await until(2);
    // Written again without a change of content: the same edit.
    writeFileSync(path, pools("two", "  profil: epp\n"));
    writeFileSync(join(folder, "other"), "");
    writeFileSync(path, "pools: [\n");
    await until(3);
    writeFileSync(path, pools("three"));
    const events = await until(4);
    assert.equal(events[1], "POOLS_FILE_INVALID: pools[0].profil: is not a known key (line 4)");
    assert.match(events[2] ?? "", /^POOLS_FILE_SYNTAX: /);
    assert.deepEqual([events.length, events[0], events[3]], [4, "one", "three"]);
  });

  it("says when a bad edit was taken back", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const { until } = start(path);
    writeFileSync(path, pools("one", "  profil: epp\n"));
    await until(2);
    writeFileSync(path, pools("one"));
    assert.equal((await until(3))[2], "one");
  });

  it("says when the file is gone and takes it back when it returns", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const { until } = start(path);
    unlinkSync(path);
    assert.match((await until(2))[1] ?? "", /^POOLS_FILE_UNREADABLE: .*ENOENT/);
    writeFileSync(path, pools("two"));
    assert.equal((await until(3))[2], "two");
  });

  it("is read again when a secret file changes, also one that was missing in a bad edit", async () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(join(folder, "key"), "first\n");
    writeFileSync(path, pools("one", "  apiKeyFile: key\n"));
    const { until } = start(path);
    writeFileSync(join(folder, "key"), "second\n");
    await until(2);
    writeFileSync(path, pools("one", "  apiKeyFile: elsewhere/key\n"));
    await until(3);
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere", "key"), "third");
    const events = await until(4);
    assert.match(events[2] ?? "", /^POOLS_FILE_INVALID: .*apiKeyFile: the file that it names cannot be read/);
    assert.deepEqual([events[0], events[1], events[3]], ["one first", "one second", "one third"]);
  });

  it("is not loaded while it is still being written", () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const timers: (() => void)[] = [];
    const { events } = start(path, {
      setTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
    });
    const fire = (): void => timers.shift()?.();
    writeFileSync(path, "pools:\n- name: half\n  endpoints: []\n");
    fire(); // the poll sees a change and asks for time to settle
    writeFileSync(path, pools("whole"));
    while (events.length < 2 && timers.length > 0) fire();
    assert.deepEqual(events, ["one", "whole"]);
  });

  it("is refused at the start if it is bad", () => {
    const path = join(folder, "pools.yaml");
    assert.throws(
      () => start(path),
      (error) => error instanceof PickerError && error.code === "POOLS_FILE_UNREADABLE",
    );
    writeFileSync(path, "pools: []\n");
    assert.throws(
      () => readPoolsFile(path, {}),
      (error) => error instanceof PickerError && error.bound === 1,
    );
  });

  it("is not blamed for what its receiver throws", () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const timers: (() => void)[] = [];
    const fault = new PickerError("TABLE_BOUND", "of the receiver");
    const names: string[] = [];
    watch = watchPoolsFile(path, {
      onInventory: ({ pools: [pool] }) => {
        names.push(pool!.name);
        if (pool!.name === "two") throw fault;
      },
      onError: (error) => assert.fail(error),
      env: {},
      setTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
    });
    const next = (): void => {
      while (timers.length > 0 && names.length < 2) timers.shift()!();
    };
    writeFileSync(path, pools("two"));
    assert.throws(next, (error) => error === fault);
  });

  it("is named in the error for what no parser foresaw", () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one", "  apiKeyEnv: KEY\n"));
    const env = {
      get KEY(): string {
        throw new RangeError("unforeseen");
      },
    };
    assert.throws(
      () => readPoolsFile(path, env),
      (error) => error instanceof PickerError && error.path === path && error.cause instanceof RangeError,
    );
  });

  it("is left alone after close", () => {
    const path = join(folder, "pools.yaml");
    writeFileSync(path, pools("one"));
    const timers: (() => void)[] = [];
    const { events } = start(path, {
      setTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
    });
    watch?.close();
    writeFileSync(path, pools("two"));
    for (const fire of timers.splice(0)) fire();
    assert.deepEqual(events, ["one"]);
  });
});
