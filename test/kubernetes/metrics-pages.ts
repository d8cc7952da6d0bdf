/**
 * Started by `startMetricsPages` in a process of its own: what a Pod's server answers to scrapes and to questions for its models, at any
 * number of addresses, without the servers.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { startFleet } from "../../controller/src/simulation/fleet.ts";

const PORT = 8000;

export interface MetricsPages {
  /** Bytes of the page that is scraped. */
  readonly pageBytes: number;
  listen(ip: string): void;
  stop(): Promise<void>;
}

/** The page is an idle simulated server's. */
export async function startMetricsPages(): Promise<MetricsPages> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url));
  const [pageBytes] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Error(`the process of metrics pages ended: ${String(code)}`);
    }),
  ]);
  return {
    pageBytes: pageBytes as number,
    listen: (ip) => {
      child.send(ip);
    },
    stop: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

function once(child: ChildProcess, event: string): Promise<readonly unknown[]> {
  return new Promise((resolve) => child.once(event, (...args: readonly unknown[]) => resolve(args)));
}

async function serve(send: (pageBytes: number) => void): Promise<void> {
  const fleet = await startFleet({ count: 1 });
  const textOf = async (path: string) => (await fetch(`http://${fleet.addresses[0]}${path}`)).text();
  const [page, models] = await Promise.all([textOf("/metrics"), textOf("/v1/models")]);
  await fleet.close();
  process.on("message", (ip: string) => {
    createServer((request, response) => response.end(request.url === "/metrics" ? page : models)).listen(
      PORT,
      ip,
    );
  });
  // Nobody is left to answer.
  process.once("disconnect", () => process.exit());
  send(Buffer.byteLength(page));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve((pageBytes) => process.send!(pageBytes));
