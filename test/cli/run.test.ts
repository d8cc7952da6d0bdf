import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { isAlive } from "../../controller/src/cli/process-identity.ts";
import { Command, gone, ROOT, RUN, variables } from "./command.ts";
import { mooncakeTrace, TRACE_REQUESTS } from "./traces.ts";

/** The promise to the user; the tests' own slack on a busy machine is none of it. */
const ENDS_WITHIN_MS = 6000;
const started: Command[] = [];

async function run(more: Readonly<Record<string, string>> = {}, command: readonly string[] = RUN) {
  const command_ = new Command(command, { ...(await variables()), ...more });
  started.push(command_);
  return command_;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.clean()));
});

describe("make run", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`ends all it started within six seconds of ${signal}, with exit code 0`, async () => {
      const command = await run();
      await command.running();
      const children = command.children();
      assert.equal(children.length, 3, "servers, controller and Envoy");
      const signalledMs = performance.now();
      command.signalGroup(signal);
      assert.equal(await command.ended, 0, command.stderr);
      assert.ok(performance.now() - signalledMs < ENDS_WITHIN_MS);
      assert.deepEqual(children.filter(isAlive), []);
      assert.doesNotMatch(command.stdout, /to its end/);
      assert.equal(command.stderr, "");
    });
  }

  it("ends all it started when it is interrupted while it starts", async () => {
    const command = await run();
    await command.until("a child has started", () => command.children().length > 0);
    const children = command.children();
    command.signalGroup("SIGINT");
    assert.equal(await command.ended, 0, command.stderr);
    assert.deepEqual([...children, ...command.children()].filter(isAlive), []);
    assert.equal(command.stdout, "");
    assert.equal(command.stderr, "");
  });

  it("ends when make alone is interrupted, and when make is killed", async () => {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const command = await run({}, ["make", "-o", "build", "run"]);
      await command.until("a child has started", () => command.children().length > 0);
      const children = command.children();
      command.child.kill(signal);
      await gone(children, ENDS_WITHIN_MS + 2000);
      await command.ended;
    }
  });

  it("after a hard kill ends what was left, and runs again on the same ports", async () => {
    const killed = await run();
    await killed.running();
    const left = killed.children();
    killed.child.kill("SIGKILL");
    assert.equal(await killed.ended, "SIGKILL");
    assert.equal(left.filter(isAlive).length, 3);
    const next = new Command(RUN, killed.variables);
    started.push(next);
    await next.running();
    assert.match(next.stderr, /^ended 3 processes that an earlier run had left$/m);
    assert.deepEqual(left.filter(isAlive), []);
    const answer = await fetch(`${next.url}/v1/models`);
    assert.equal(answer.status, 200);
    await answer.arrayBuffer();
    // A second run in the folder would end the first one's children.
    const third = new Command(RUN, next.variables);
    assert.equal(await third.ended, 1);
    assert.match(third.stderr, /^another run goes on in \S+ \(process \d+\): [^\n]*RUN_DIR[^\n]*\n$/);
    assert.equal(next.children().filter(isAlive).length, 3);
    next.signalGroup("SIGTERM");
    assert.equal(await next.ended, 0, next.stderr);
  });

  it("names the variable of a port in use in one line, with exit code 1", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    try {
      for (const variable of ["GATEWAY_PORT", "STATUS_PORT", "SERVERS_PORT"]) {
        const command = await run({ [variable]: String(port) });
        assert.equal(await command.ended, 1);
        assert.match(
          command.stderr,
          new RegExp(`^port ${port} is in use: choose another, such as ${variable}=\\d+\\n$`),
        );
        assert.equal(command.stdout, "");
      }
    } finally {
      taken.close();
    }
  });

  it("refuses a pools file with one line that names the fault, and leaves nothing", async () => {
    const own = await variables();
    const poolsFile = join(own.RUN_DIR!, "mine.yaml");
    writeFileSync(poolsFile, "pools: [{ name: mine, endpoint: [] }]\n");
    const command = new Command(RUN, { ...own, POOLS: poolsFile });
    started.push(command);
    assert.equal(await command.ended, 1);
    assert.match(command.stderr, /^controller ended \(exit code 1\): [^\n]*endpoint[^\n]*controller\.log\n$/);
    assert.deepEqual(command.children(), []);
  });

  for (const [name, program] of [
    ["envoy", "envoy"],
    ["controller", "node"],
  ] as const) {
    it(`ends with one line and exit code 1 when the ${name} dies`, async () => {
      const pools = { POOLS: join(ROOT, "test/cli/unreachable.yaml") };
      const command = await run(pools);
      await command.running();
      const children = command.children();
      process.kill(command.childNamed(program), "SIGKILL");
      assert.equal(await command.ended, 1);
      assert.match(command.stderr, new RegExp(`^${name} ended \\(SIGKILL\\); see \\S+${name}\\.log\\n$`));
      assert.deepEqual(children.filter(isAlive), []);
    });
  }

  it("replays a Mooncake trace faster than recorded, and goes on", async () => {
    const own = await variables();
    const trace = join(own.RUN_DIR!, "trace.jsonl");
    writeFileSync(trace, mooncakeTrace());
    const command = new Command(RUN, { ...own, TRACE: trace, SPEED: "10" });
    started.push(command);
    await command.until("the trace has been played", () =>
      command.stdout.includes(`to its end: ${TRACE_REQUESTS} answered, 0 failed`),
    );
    assert.match(command.stdout, /trace\.jsonl as recorded, 10 times as fast/);
    command.signalGroup("SIGINT");
    assert.equal(await command.ended, 0, command.stderr);
  });

  it("says which line of a trace is wrong, with exit code 1", async () => {
    const own = await variables();
    const trace = join(own.RUN_DIR!, "trace.jsonl");
    writeFileSync(trace, mooncakeTrace());
    appendFileSync(trace, '\n{"timestamp": -1}\n');
    const command = new Command(RUN, { ...own, TRACE: trace });
    started.push(command);
    assert.equal(await command.ended, 1);
    assert.match(command.stderr, new RegExp(`^the traffic ended: .*${TRACE_REQUESTS + 1}`));
  });
});

describe("make run on a terminal", () => {
  it("redraws in place, stops traffic on t and ends on q with exit code 0", async () => {
    const command = await run({ TERM: "xterm" }, ["script", "-qefc", RUN.join(" "), "/dev/null"]);
    await command.until("the table was redrawn in place", () => command.stdout.includes("\u001b[J"));
    assert.match(command.stdout, /q: quit {3}t: stop traffic/);
    const children = command.children();
    command.child.stdin!.write("t");
    await command.until("traffic stopped", () => command.stdout.includes("t: resume traffic"));
    command.child.stdin!.write("q");
    assert.equal(await command.ended, 0, command.stdout);
    assert.deepEqual(children.filter(isAlive), []);
  });
});

describe("a variable that is wrong", () => {
  it("is refused in one line with its value, with exit code 1", async () => {
    const command = await run({ SPEED: "0" });
    assert.equal(await command.ended, 1);
    assert.match(command.stderr, /^SPEED=0 is not [^\n]+\n$/);
  });
});
