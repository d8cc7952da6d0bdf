import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { gzipStored } from "../../deploy/oci/gzip.ts";
import { type ImageLayout, imageLayout } from "../../deploy/oci/image-layout.ts";
import { tarOf } from "../../deploy/oci/tar.ts";
import { ROOT } from "./objects.ts";

const MODULE = readFileSync(process.env.FILTER_WASM ?? join(ROOT, "build/inference-picker.wasm"));
/** The smallest module: magic and version. */
const EMPTY_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

function json({ files }: ImageLayout, path: string): unknown {
  return JSON.parse(Buffer.from(files.get(path)!).toString());
}

function blob({ files }: ImageLayout, { digest, size }: Descriptor): Uint8Array {
  const bytes = files.get(`blobs/${digest.replace(":", "/")}`);
  assert.ok(bytes !== undefined, digest);
  assert.equal(bytes.length, size);
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
  return bytes;
}

describe("the image layout", () => {
  const layout = imageLayout(MODULE, "1.2.3");
  const { manifests } = json(layout, "index.json") as { readonly manifests: readonly Descriptor[] };
  const manifest = JSON.parse(Buffer.from(blob(layout, manifests[0]!)).toString()) as {
    readonly config: Descriptor;
    readonly layers: readonly Descriptor[];
    readonly annotations: Readonly<Record<string, string>>;
  };

  it("names one manifest, by tag and digest", () => {
    assert.equal(manifests.length, 1);
    assert.equal(manifests[0]!.mediaType, "application/vnd.oci.image.manifest.v1+json");
    assert.equal(manifests[0]!.digest, layout.digest);
    assert.equal(manifests[0]!.annotations!["org.opencontainers.image.ref.name"], "1.2.3");
    assert.deepEqual(json(layout, "oci-layout"), { imageLayoutVersion: "1.0.0" });
  });

  it("has one layer of the type that Istio looks for, and nothing that no descriptor names", () => {
    assert.deepEqual(
      manifest.layers.map(({ mediaType }) => mediaType),
      ["application/vnd.oci.image.layer.v1.tar+gzip"],
    );
    assert.equal(manifest.annotations["module.wasm.image/variant"], "compat");
    // Layout, index, manifest, configuration, layer.
    assert.equal(layout.files.size, 5);
  });

  it("says in its configuration what the layer holds unpacked", () => {
    const archive = gunzipSync(blob(layout, manifest.layers[0]!));
    const { rootfs } = JSON.parse(Buffer.from(blob(layout, manifest.config)).toString()) as {
      readonly rootfs: { readonly diff_ids: readonly string[] };
    };
    assert.deepEqual(rootfs.diff_ids, [`sha256:${createHash("sha256").update(archive).digest("hex")}`]);
  });

  it("is the same wherever and whenever it is made", () => {
    assert.equal(
      imageLayout(EMPTY_MODULE, "0.1.0").digest,
      "sha256:e343734304cffe4b0a1f36bfba377aa3ee0283309fa30ba9edebf003bb0a7fef",
    );
    assert.deepEqual(imageLayout(MODULE, "1.2.3"), layout);
  });

  it("is refused for what is no module", () => {
    assert.throws(() => imageLayout(Buffer.from("<html>"), "1"), /begins with \\0asm, this with 3c68746d/);
    assert.throws(() => imageLayout(Buffer.alloc(0), "1"), TypeError);
  });
});

describe("the layer", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "layer-"));
  });

  after(() => rmSync(folder, { recursive: true }));

  it("is unpacked by tar to the module, byte by byte", () => {
    const file = join(folder, "layer.tar.gz");
    writeFileSync(file, gzipStored(tarOf("plugin.wasm", MODULE)));
    execFileSync("gzip", ["-t", file]);
    execFileSync("tar", ["-xzf", file, "-C", folder]);
    assert.deepEqual(readdirSync(folder).sort(), ["layer.tar.gz", "plugin.wasm"]);
    assert.ok(readFileSync(join(folder, "plugin.wasm")).equals(MODULE));
  });

  it("is whole at every length around a block of either format", () => {
    for (const length of [0, 1, 511, 512, 513, 65_534, 65_535, 65_536, 131_070, 131_071]) {
      const content = Buffer.alloc(length, "content ");
      assert.ok(gunzipSync(gzipStored(content)).equals(content), `gzip ${length}`);
      const archive = tarOf("plugin.wasm", content);
      assert.equal(archive.length % 512, 0);
      const listed = execFileSync("tar", ["-xO", "plugin.wasm"], { input: archive, maxBuffer: 2 ** 20 });
      assert.ok(listed.equals(content), `tar ${length}`);
    }
  });

  it("takes no name that its header has no room for", () => {
    assert.throws(() => tarOf("x".repeat(101), MODULE), /101 bytes is not within 1 to 100/);
    assert.throws(() => tarOf("", MODULE), RangeError);
  });
});

it("the program writes the layout and says its digest", () => {
  const folder = mkdtempSync(join(tmpdir(), "oci-"));
  try {
    const args = ["--import", "tsx", "deploy/oci/main.ts", "build/inference-picker.wasm", folder];
    const output = execFileSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
    const [, digest] = /^\S+ sha256:([0-9a-f]{64})\n$/.exec(output)!;
    const bytes = readFileSync(join(folder, "blobs/sha256", digest!));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), digest);
    assert.equal(readdirSync(join(folder, "blobs/sha256")).length, 3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
