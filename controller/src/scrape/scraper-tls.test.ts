import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TlsClient } from "../model.ts";
import { processTimer } from "../timer.ts";
import { ModelDiscovery, type ModelListOutcome } from "./model-discovery.ts";
import { createScraper, type ScrapeOutcome } from "./scraper.ts";

let folder = "";
let server: Server | undefined;
let port = 0;

/** A certificate authority `name`, or a certificate for `model.test` signed by `issuer`. */
function issue(name: string, issuer?: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const signer = issuer === undefined ? [] : ["-CA", file(`${issuer}.crt`), "-CAkey", file(`${issuer}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:model.test"];
  const out = ["-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)];
  execFileSync("openssl", ["req", "-x509", ...key, ...signer, ...subject, ...out], { stdio: "pipe" });
}

function file(name: string): string {
  return join(folder, name);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "scraper-tls-"));
  issue("authority");
  issue("server", "authority");
  issue("client", "authority");
  const [cert, key, ca] = ["server.crt", "server.key", "authority.crt"].map((name) =>
    readFileSync(file(name)),
  );
  server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (_, response) =>
    response.end("vllm:num_requests_waiting 1\n"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});

after(() => {
  server?.closeAllConnections();
  server?.close();
  rmSync(folder, { recursive: true });
});

async function scrapeOnce(tls: Partial<TlsClient>): Promise<ScrapeOutcome> {
  return scrapeUntil(tls, () => true);
}

/** The first outcome that `wanted` accepts. */
async function scrapeUntil(
  tls: Partial<TlsClient>,
  wanted: (outcome: ScrapeOutcome) => boolean,
): Promise<ScrapeOutcome> {
  let report: (outcome: ScrapeOutcome) => void = () => {};
  const first = new Promise<ScrapeOutcome>((resolve) => {
    report = resolve;
  });
  const scraper = createScraper({
    onSample: () => {},
    onOutcome: (outcome) => {
      if (wanted(outcome)) report(outcome);
    },
    nowMs: () => performance.now(),
    random: () => 0,
    setTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  });
  scraper.setTargets([
    {
      pool: "default/llama",
      spec: {
        name: "tls",
        host: "127.0.0.1",
        port,
        engine: "vllm",
        scrape: {
          intervalMs: 50,
          timeoutMs: 5000,
          path: "/metrics",
          tls: { insecureSkipVerify: false, ...tls },
        },
      },
      ip: "127.0.0.1",
      address: `127.0.0.1:${port}`,
      ready: true,
      draining: false,
    },
  ]);
  const outcome = await first;
  await scraper.close();
  return outcome;
}

async function askOnce(tls: Partial<TlsClient>): Promise<ModelListOutcome> {
  let report: (outcome: ModelListOutcome) => void = () => {};
  const first = new Promise<ModelListOutcome>((resolve) => {
    report = resolve;
  });
  const discovery = new ModelDiscovery({
    onModels: () => {},
    onOutcome: (outcome) => report(outcome),
    nowMs: () => performance.now(),
    random: () => 0,
    setTimer: processTimer,
  });
  const modelList = {
    intervalMs: 1000,
    path: "/v1/models",
    tls: { insecureSkipVerify: false, ...tls },
  };
  const spec = { name: "tls", host: "127.0.0.1", port, engine: "vllm" as const, modelList };
  const address = `127.0.0.1:${port}`;
  discovery.setTargets([
    { pool: "default/llama", spec, ip: "127.0.0.1", address, ready: true, draining: false },
  ]);
  const outcome = await first;
  await discovery.close();
  return outcome;
}

describe("asking for models over TLS", () => {
  it("checks the server and shows it a certificate, as scraping does", async () => {
    const client = { certFile: file("client.crt"), keyFile: file("client.key") };
    const tls = { caFile: file("authority.crt"), serverName: "model.test", ...client };
    // The server's page is one of metrics, but it was handed over.
    assert.equal((await askOnce(tls)).failure, "format");
    assert.equal((await askOnce({ ...tls, caFile: file("client.crt") })).failure, "tls");
    assert.equal((await askOnce({ ...tls, caFile: file("absent.crt") })).failure, "tls");
  });
});

describe("scraping over TLS", () => {
  const serverName = "model.test";

  it("works with the server's authority, its name and a client certificate", async () => {
    const client = { certFile: file("client.crt"), keyFile: file("client.key") };
    const outcome = await scrapeOnce({ caFile: file("authority.crt"), serverName, ...client });
    assert.equal(outcome.failure, undefined, outcome.error?.message);
  });

  it("refuses a server of an unknown authority", async () => {
    assert.equal((await scrapeOnce({ serverName })).failure, "tls");
  });

  it("refuses a certificate for another name", async () => {
    const outcome = await scrapeOnce({ caFile: file("authority.crt"), serverName: "other.test" });
    assert.equal(outcome.failure, "tls");
  });

  it("fails where the server asks for a client certificate and none is configured", async () => {
    const outcome = await scrapeOnce({ caFile: file("authority.crt"), serverName });
    assert.notEqual(outcome.failure, undefined);
  });

  it("fails, and says which file by its key alone, where a configured file is absent", async () => {
    const outcome = await scrapeOnce({ caFile: file("absent.crt") });
    assert.equal(outcome.failure, "tls");
    assert.match(outcome.error?.message ?? "", /: tls: tls\.caFile cannot be read \(ENOENT\)$/);
  });

  it("reads no device, pipe, folder or file above 1 MiB as a certificate", async () => {
    execFileSync("mkfifo", [file("pipe")]);
    writeFileSync(file("large"), Buffer.alloc(1024 * 1024 + 1));
    for (const [path, why] of [
      ["/dev/zero", "not a regular file"],
      [file("pipe"), "not a regular file"],
      [folder, "not a regular file"],
      [file("large"), "1048577 bytes is above 1048576"],
    ] as const) {
      const outcome = await scrapeOnce({ caFile: path });
      assert.equal(outcome.failure, "tls");
      assert.ok(
        outcome.error?.message.endsWith(`tls.caFile cannot be read (${why})`),
        outcome.error?.message,
      );
    }
  });

  it("takes up an authority and a client certificate that were rewritten in place", async () => {
    const [caFile, certFile, keyFile] = ["ca.pem", "cert.pem", "key.pem"].map(file) as [
      string,
      string,
      string,
    ];
    issue("stranger");
    const place = (authority: string, client: string): void => {
      copyFileSync(file(`${authority}.crt`), caFile);
      copyFileSync(file(`${client}.crt`), certFile);
      copyFileSync(file(`${client}.key`), keyFile);
    };
    place("stranger", "stranger");
    let rotated = false;
    const outcome = await scrapeUntil({ caFile, certFile, keyFile, serverName }, ({ failure }) => {
      if (rotated) return failure === undefined;
      assert.equal(failure, "tls");
      place("authority", "client");
      rotated = true;
      return false;
    });
    assert.equal(outcome.failure, undefined);
  });
});
