import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { promisify } from "node:util";

/** Where one Pod is reached, from this machine. */
export interface PodAddress {
  readonly ip: string;
  /** Goes before a command that is to run there. */
  readonly enter: readonly string[];
  release(): Promise<void>;
}

export interface PodNetwork {
  attach(): Promise<PodAddress>;
  close(): Promise<void>;
}

/** Which of the addresses 1 to `count` are in use; the one that was given back longest ago is given out again last. */
class AddressNumbers {
  private readonly free: number[];

  constructor(count: number) {
    this.free = Array.from({ length: count }, (_, i) => i + 1);
  }

  take(): number {
    const number = this.free.shift();
    if (number === undefined) throw new Error("no address is left for another Pod");
    return number;
  }

  give(number: number): void {
    this.free.push(number);
  }
}

/**
 * A loopback address each: needs no rights. Programs must bind their Pod's address, not the wildcard; an EndpointSlice refuses such
 * addresses.
 */
export function loopbackNetwork(): PodNetwork {
  // Clusters of tests that run at the same time should not meet.
  const second = randomInt(1, 255);
  const numbers = new AddressNumbers(60_000);
  return {
    attach: async () => {
      const number = numbers.take();
      const ip = `127.${second}.${(number >> 8) + 1}.${number & 255}`;
      return { ip, enter: [], release: async () => numbers.give(number) };
    },
    close: async () => {},
  };
}

const PREFIX = "ippods";

/**
 * A network namespace each, on a bridge of this machine, with addresses 10.x: needs root. What a run that was killed left behind, the next
 * one removes.
 */
export async function namespaceNetwork(): Promise<PodNetwork> {
  await removeLeftovers();
  // Interface names have at most 15 characters.
  const bridge = `${PREFIX}${process.pid}`;
  const subnet = `10.${randomInt(64, 96)}.${randomInt(0, 256)}`;
  await ip("link", "add", bridge, "type", "bridge");
  await ip("addr", "add", `${subnet}.254/24`, "dev", bridge);
  await ip("link", "set", bridge, "up");
  const numbers = new AddressNumbers(253);
  let attached = 0;
  return {
    attach: async () => {
      const number = numbers.take();
      attached += 1;
      const namespace = `${bridge}-${attached}`;
      const address = `${subnet}.${number}`;
      const outer = `ip${process.pid.toString(36)}-${attached.toString(36)}`;
      const inside = (...args: readonly string[]) => ip("-n", namespace, ...args);
      await ip("netns", "add", namespace);
      await ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      await ip("link", "set", outer, "master", bridge, "up");
      await inside("addr", "add", `${address}/24`, "dev", "eth0");
      await inside("link", "set", "lo", "up");
      await inside("link", "set", "eth0", "up");
      await inside("route", "add", "default", "via", `${subnet}.254`);
      return {
        ip: address,
        enter: ["ip", "netns", "exec", namespace],
        release: async () => {
          // The pair of interfaces goes with it.
          await ip("netns", "delete", namespace);
          numbers.give(number);
        },
      };
    },
    close: () => removeOf(bridge),
  };
}

async function removeLeftovers(): Promise<void> {
  const { stdout } = await ip("-o", "link", "show", "type", "bridge");
  for (const [, bridge, pid] of stdout.matchAll(new RegExp(`^\\d+: (${PREFIX}(\\d+)):`, "gm"))) {
    if (!existsSync(`/proc/${pid}`)) await removeOf(bridge!);
  }
}

async function removeOf(bridge: string): Promise<void> {
  const folder = "/run/netns";
  const all = existsSync(folder) ? readdirSync(folder) : [];
  for (const namespace of all.filter((name) => name.startsWith(`${bridge}-`))) {
    await ip("netns", "delete", namespace);
  }
  await ip("link", "delete", bridge);
}

const run = promisify(execFile);

function ip(...args: readonly string[]): Promise<{ readonly stdout: string }> {
  return run("ip", args);
}
