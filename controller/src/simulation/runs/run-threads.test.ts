import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { coreModule } from "../../../../test/core/core.ts";
import { parseSimulateSettings } from "../replay/settings.ts";
import { specsOf } from "./plan.ts";
import { executeRun } from "./run.ts";
import { RunThreads, RunUsageError } from "./run-threads.ts";

function specs(line: string) {
  return specsOf(parseSimulateSettings(line.split(" ")));
}

describe("runs in threads", () => {
  const threads = new RunThreads(coreModule(), 2);
  after(() => threads.close());

  it("give what they give in this thread, more of them than there are threads", async () => {
    const all = specs("--requests 100 --endpoints 2 --speeds 2,4 --policies random,least-request");
    const arrivals: number[] = [];
    const results = await Promise.all(
      all.map((spec) => threads.run(spec, (arrived) => arrivals.push(arrived))),
    );
    for (const [index, spec] of all.entries()) {
      assert.deepEqual(results[index], await executeRun(spec, coreModule()));
    }
    assert.ok(arrivals.length >= all.length && arrivals.every((arrived) => arrived > 0));
  });

  it("that fail of the trace say so, and their thread goes on", async () => {
    const [bad] = specs("--trace /nowhere/t.jsonl --policies random");
    const [good] = specs("--requests 10 --policies random");
    const failures = await Promise.allSettled([1, 2, 3].map(() => threads.run(bad!, () => undefined)));
    for (const failure of failures) {
      assert.ok(failure.status === "rejected" && failure.reason instanceof RunUsageError);
      assert.match(failure.reason.message, /--trace: "\/nowhere\/t\.jsonl" cannot be read/);
    }
    assert.equal((await threads.run(good!, () => undefined)).summary.arrived, 10);
  });

  it("that fail of anything else show where", async () => {
    const [spec] = specs("--requests 10 --policies random");
    // As if the program were at fault.
    const broken = { ...spec!, servers: undefined as never };
    await assert.rejects(
      threads.run(broken, () => undefined),
      (error) => {
        assert.ok(error instanceof Error && !(error instanceof RunUsageError));
        assert.match(error.message, /TypeError[\s\S]*server-mix/);
        return true;
      },
    );
  });
});
