import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { CertificateFiles } from "./certificate-files.ts";
import { TestAuthority, type TestCertificate } from "./test-certificates.ts";

describe("certificate files", () => {
  let authority: TestAuthority;
  let first: TestCertificate;
  let second: TestCertificate;
  let live: TestCertificate;
  let tick: () => void;
  const setTimer = (callback: () => void) => {
    tick = callback;
    return () => {};
  };

  before(() => {
    authority = new TestAuthority();
    first = authority.issue("DNS:first");
    second = authority.issue("DNS:second");
    live = { certFile: join(authority.folder, "live.pem"), keyFile: join(authority.folder, "live.key") };
  });
  beforeEach(() => {
    copyFileSync(first.certFile, live.certFile);
    copyFileSync(first.keyFile, live.keyFile);
  });
  after(() => authority.remove());

  it("that are renewed reach the listeners, and unchanged ones do not", async () => {
    const files = new CertificateFiles(live, setTimer, assert.fail);
    const seen: string[] = [];
    files.addIdentityCertificateListener((update) => seen.push(update?.certificate.toString() ?? "none"));
    await Promise.resolve();
    tick();
    copyFileSync(second.certFile, live.certFile);
    copyFileSync(second.keyFile, live.keyFile);
    tick();
    assert.deepEqual(
      seen,
      [first, second].map((each) => readFileSync(each.certFile, "utf8")),
    );
  });

  it("that do not fit together are reported once, and the last good ones stay", async () => {
    const errors: Error[] = [];
    const files = new CertificateFiles(live, setTimer, (error) => errors.push(error));
    let updates = 0;
    files.addIdentityCertificateListener(() => {
      updates += 1;
    });
    await Promise.resolve();
    copyFileSync(second.certFile, live.certFile);
    tick();
    tick();
    assert.equal(errors.length, 1);
    assert.equal(updates, 1);
  });

  it("that are no certificates are refused at the start", () => {
    writeFileSync(live.certFile, "nothing");
    assert.throws(() => new CertificateFiles(live, setTimer, assert.fail), /PEM/i);
  });
});
