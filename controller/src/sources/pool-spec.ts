import type { EndpointSpec, Engine, PoolSpec } from "../model.ts";
import type { HostPort } from "./host-port.ts";
import { toPoolSettings, withEndpoints } from "./pool-settings.ts";
import { type BuildContext, type Path, refuseDuplicates } from "./problems.ts";
import type { ParsedPool, ParsedScrape } from "./pools-schema.ts";
import { formatAddress } from "./resolve.ts";
import { toScrape } from "./scrape-spec.ts";

/** One pool of the file; what is contradictory in it becomes a problem. */
export function toPool(parsed: ParsedPool, path: Path, build: BuildContext): PoolSpec {
  return withEndpoints(toPoolSettings(parsed, path, build), toEndpoints(parsed, path, build));
}

interface PlainEndpoint {
  readonly address: HostPort;
  readonly name?: string | undefined;
  readonly engine?: Engine | undefined;
  readonly scrape?: ParsedScrape | undefined;
  readonly labels?: readonly (readonly [key: string, value: string])[];
}

function toEndpoints(parsed: ParsedPool, path: Path, build: BuildContext): readonly EndpointSpec[] {
  const poolScrape = [...path, "scrape"];
  const specs = parsed.endpoints.map((entry, index): EndpointSpec => {
    const plain: PlainEndpoint = "host" in entry ? { address: entry } : entry;
    const scrape = toScrape(
      parsed.scrape,
      poolScrape,
      plain.scrape,
      [...path, "endpoints", index, "scrape"],
      build,
    );
    return {
      name: plain.name ?? formatAddress(plain.address.host, plain.address.port),
      host: plain.address.host,
      port: plain.address.port,
      engine: plain.engine ?? parsed.engine,
      ...(scrape === undefined ? {} : { scrape }),
      ...((plain.labels ?? []).length === 0 ? {} : { labels: Object.fromEntries(plain.labels!) }),
    };
  });
  const at = (index: number): Path => [...path, "endpoints", index];
  refuseDuplicates(
    specs.map((spec, index) => ({ key: formatAddress(spec.host, spec.port), path: at(index) })),
    build.problems,
  );
  const named = specs.map((spec, index) => ({ key: spec.name, path: at(index) }));
  // A default name is the address, whose duplicates have been named above.
  refuseDuplicates(
    named.filter(({ key }, index) => key !== formatAddress(specs[index]!.host, specs[index]!.port)),
    build.problems,
  );
  return specs;
}
