/**
 * The filter's module as an OCI image, in the form that Istio's agent and Envoy Gateway pull: one layer of media type
 * `…layer.v1.tar+gzip` with `plugin.wasm` at its root, the "compat" variant of the Wasm image specification
 * (github.com/solo-io/wasm, spec/README-compat.md). Nothing in it depends on time or machine.
 */
import { createHash } from "node:crypto";
import { gzipStored } from "./gzip.ts";
import { tarOf } from "./tar.ts";

const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
/** Istio takes the file of this name from the last layer. */
const MODULE_NAME = "plugin.wasm";
const WASM_MAGIC = Buffer.from("\0asm");

export interface ImageLayout {
  /** Of the manifest, `sha256:…`: what a reference by digest names. */
  readonly digest: string;
  /** Paths below the layout's folder, and what stands there. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * @param version the image's tag, and annotated on it
 * @throws TypeError for what is no WebAssembly module
 */
export function imageLayout(module: Uint8Array, version: string): ImageLayout {
  if (!WASM_MAGIC.equals(module.subarray(0, WASM_MAGIC.length))) {
    throw new TypeError(
      `a module begins with \\0asm, this with ${Buffer.from(module.subarray(0, 4)).toString("hex")}`,
    );
  }
  const files = new Map<string, Uint8Array>();
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const hex = sha256(bytes);
    files.set(`blobs/sha256/${hex}`, bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const archive = tarOf(MODULE_NAME, module);
  const layer = add(LAYER_TYPE, gzipStored(archive));
  const config = add(
    CONFIG_TYPE,
    json({
      architecture: "wasm",
      os: "wasip1",
      config: {},
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(archive)}`] },
    }),
  );
  const manifest = add(
    MANIFEST_TYPE,
    json({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config,
      layers: [layer],
      annotations: {
        "module.wasm.image/variant": "compat",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.title": "inference-picker",
        "org.opencontainers.image.version": version,
      },
    }),
  );
  const tagged = { ...manifest, annotations: { "org.opencontainers.image.ref.name": version } };
  files.set("index.json", json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [tagged] }));
  files.set("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  return { digest: manifest.digest, files };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
