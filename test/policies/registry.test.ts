import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { PROFILE_LIST, profileNumber } from "../../assembly/wire/profiles.ts";
import { registryOf } from "../../assembly/core/profiles/generate.mjs";

const FOLDER = new URL("../../assembly/core/profiles/", import.meta.url).pathname;

test("the registry of profiles is what the list makes it", () => {
  assert.equal(readFileSync(`${FOLDER}/registry.ts`, "utf8"), registryOf(PROFILE_LIST, FOLDER));
});

test("a listed profile has the number that tables know it by", () => {
  const known = Object.entries(L).filter(([name]) => name.startsWith("PROFILE_"));
  assert.ok(known.length >= 9);
  for (const [constant, number] of known) {
    const name = constant.slice("PROFILE_".length).toLowerCase().replaceAll("_", "-");
    if (number <= PROFILE_LIST.length) assert.equal(profileNumber(name), number, name);
  }
  assert.equal(profileNumber("none"), 0);
});

test("a name of another form, without a file or listed twice is refused", () => {
  assert.throws(() => registryOf(["Epp"], FOLDER), /"Epp" is not a profile's name/);
  assert.throws(() => registryOf(["no-such"], FOLDER), /no_such\.ts is not there/);
  assert.throws(() => registryOf(["epp", "random", "epp"], FOLDER), /"epp" is listed twice/);
});
