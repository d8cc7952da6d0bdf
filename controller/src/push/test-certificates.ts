import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority that lives in a folder of its own, for tests; made by the `openssl` program. */
export class TestAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), "inference-picker-tls-"));
  readonly caFile = join(this.folder, "ca.pem");
  private readonly caKey = join(this.folder, "ca.key");
  private issued = 0;

  constructor() {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...curve,
      "-days",
      "2",
      "-subj",
      "/CN=test authority",
      "-keyout",
      this.caKey,
      "-out",
      this.caFile,
    );
  }

  /** `san`: e.g. `DNS:controller.test,IP:127.0.0.1` */
  issue(san: string): TestCertificate {
    this.issued += 1;
    const at = (suffix: string) => join(this.folder, `${this.issued}.${suffix}`);
    writeFileSync(at("ext"), `subjectAltName=${san}\n`);
    openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-subj",
      "/CN=test",
      "-keyout",
      at("key"),
      "-out",
      at("csr"),
    );
    openssl(
      "x509",
      "-req",
      "-in",
      at("csr"),
      "-CA",
      this.caFile,
      "-CAkey",
      this.caKey,
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      at("ext"),
      "-out",
      at("pem"),
    );
    return { certFile: at("pem"), keyFile: at("key") };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
