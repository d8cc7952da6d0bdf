import type { Endpoint, PickingSpec, PoolSpec } from "../model.ts";

/** What the schema gives a pool that says nothing of how it picks. */
export const TEST_PICKING: PickingSpec = {
  ttft: { baseMs: 1000, perThousandMs: 62.5 },
  tpotMs: 40,
  objectiveHeaders: false,
  subset: "none",
  sessionAffinity: false,
};

/** A pool for tests; `over` replaces what matters to the test. */
export function testPool(name: string, over: Partial<PoolSpec> = {}): PoolSpec {
  return {
    namespace: "default",
    name,
    profile: "epp",
    scorers: [],
    failureMode: "FailClose",
    clusters: [`default/${name}`],
    endpoints: [],
    models: [],
    objectives: [],
    rewrites: [],
    restoreModel: false,
    addUsage: false,
    apis: [],
    readBody: false,
    requireModel: false,
    knownModelsOnly: false,
    staleAfterMs: 1500,
    bodyWindowBytes: 65_536,
    bodyLimitBytes: 16 * 1024 * 1024,
    saturation: { queueLimit: 5, kvLimit: 0.8 },
    picking: TEST_PICKING,
    appProtocol: "http",
    ...over,
  };
}

/** A ready endpoint without metrics; `ip` also serves as its host unless given. */
export function testEndpoint(
  pool: string,
  ip: string,
  port: number,
  over: Partial<Endpoint> & { host?: string } = {},
): Endpoint {
  const { host, ...rest } = over;
  const address = ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
  return {
    pool: `default/${pool}`,
    spec: { name: address, host: host ?? ip, port, engine: "vllm" },
    ip,
    address,
    ready: true,
    draining: false,
    ...rest,
  };
}
