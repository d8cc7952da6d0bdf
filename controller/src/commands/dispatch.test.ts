import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Command } from "./command.ts";
import { dispatch } from "./dispatch.ts";

/** Dispatches to two commands; tells what ran with which arguments, what was written, and what was loaded. */
async function run(...args: string[]) {
  const loaded: string[] = [];
  const ran: string[] = [];
  let out = "";
  let err = "";
  const command = (name: string, code: number): Command => ({
    name,
    summary: `does ${name}`,
    load: async () => {
      loaded.push(name);
      return async (context) => {
        ran.push([name, ...context.args].join(" "));
        return code;
      };
    },
  });
  const serve = command("serve", 0);
  const code = await dispatch([serve, command("look", 3)], serve, "1.2.3", {
    args,
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    onSignal: () => {},
  });
  return { code, ran, loaded, out, err };
}

describe("the command line", () => {
  it("runs the command that it names, with what is behind the name, and loads no other", async () => {
    const { code, ran, loaded } = await run("look", "--json", "serve");
    assert.equal(code, 3);
    assert.deepEqual(ran, ["look --json serve"]);
    assert.deepEqual(loaded, ["look"]);
  });

  it("without a name runs the default with all of it", async () => {
    assert.deepEqual((await run("--pools-file", "look")).ran, ["serve --pools-file look"]);
    assert.deepEqual((await run()).ran, ["serve"]);
  });

  it("lists the commands for --help, and leaves --help behind a name to the command", async () => {
    const { code, out, loaded } = await run("--help");
    assert.equal(code, 0);
    assert.match(out, /^ {2}serve {2}does serve \(the default\)\n {2}look {3}does look\n/m);
    assert.deepEqual(loaded, []);
    assert.deepEqual((await run("look", "--help")).ran, ["look --help"]);
  });

  it("says its version, also behind a name", async () => {
    for (const args of [["--version"], ["look", "--version"]]) {
      const { code, out, loaded } = await run(...args);
      assert.equal(code, 0);
      assert.equal(out, "inference-picker 1.2.3\n");
      assert.deepEqual(loaded, []);
    }
  });

  it("refuses a command that there is none of with 2 and the list, whatever it is asked", async () => {
    for (const args of [["serv"], ["serv", "--version"]]) {
      const { code, out, err, loaded } = await run(...args);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, /^"serv" is no command\n[\s\S]*^ {2}serve /m);
      assert.deepEqual(loaded, []);
    }
  });
});
