/** One server in the line that the simulated fleet prints when it listens. */
export interface FleetServer {
  readonly name: string;
  readonly address: string;
  readonly models: readonly string[];
  readonly adapters: readonly string[];
}

/** A pools file's content: one pool of all servers, read by body because they hold adapters. */
export function simulatedPool(servers: readonly FleetServer[]): unknown {
  const [first] = servers;
  return {
    pools: [
      {
        name: "simulated",
        models: [
          ...(first?.models ?? []).map((name) => ({ name })),
          ...(first?.adapters ?? []).map((name) => ({ name, adapter: true })),
        ],
        body: { read: "always" },
        endpoints: servers.map(({ name, address }) => ({ name, address })),
      },
    ],
  };
}
