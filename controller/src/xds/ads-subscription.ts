import { createHash } from "node:crypto";
import type { ResourceMap } from "./resources.ts";

/** More names than any Envoy of this configuration asks for; a request with more is refused. */
export const MAX_NAMES = 16_384;

/** What a stream asked for, was sent and has answered, for one type of resource. */
export class Subscription {
  /** Sorted; empty and not wildcard: nothing. */
  names: ReadonlySet<string> = new Set();
  wildcard = false;
  /** Resources of the last response. */
  sent: ResourceMap = new Map();
  /** Hash over the last response's names and contents; "" before the first. */
  version = "";
  nonce = "";
  /** A response is out and neither accepted nor rejected. */
  outstanding = false;
  /** Version of the last response that Envoy accepted. */
  acked = "";
  /** The next pump sends even what is unchanged. */
  force = true;

  /** Takes a request's names; `true` if the set changed. By the protocol an empty first list of clusters means all. */
  subscribe(names: readonly string[], emptyMeansAll: boolean): boolean {
    const wildcard = names.includes("*") || (names.length === 0 && emptyMeansAll);
    const wanted = new Set(names.filter((name) => name !== "*"));
    const changed =
      wildcard !== this.wildcard ||
      wanted.size !== this.names.size ||
      [...wanted].some((name) => !this.names.has(name));
    this.wildcard = wildcard;
    this.names = wanted;
    return changed;
  }

  /** The part of `all` that is asked for. */
  select(all: ResourceMap): ResourceMap {
    if (this.wildcard) return all;
    const selected = new Map();
    for (const name of this.names) {
      const resource = all.get(name);
      if (resource !== undefined) selected.set(name, resource);
    }
    return selected;
  }
}

/** Names the content: equal for equal resources, whatever their order. */
export function contentVersion(resources: ResourceMap): string {
  const hash = createHash("sha256");
  for (const name of [...resources.keys()].sort()) {
    hash.update(`${name}\0${resources.get(name)!.hash}\0`);
  }
  return hash.digest("base64url").slice(0, 16);
}
