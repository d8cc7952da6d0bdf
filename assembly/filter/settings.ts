import { JsonReader } from "./json_reader";

/** A controller to take tables from. */
export class FeedTarget {
  constructor(
    /** Envoy cluster that reaches it. */
    readonly cluster: string,
    /** `:authority` of the stream; a cluster name with `|` would make an invalid one. */
    readonly authority: string,
  ) {}
}

const MIN_TICK_MS: i64 = 5;
/**
 * A quarter of what the tick has to keep alive: the lease of the feed (TERM_MS 1000, renewed when
 * RENEW_WITHIN_MS 600 is left, in feed/lease.ts), the place of the active root (WAITING_TICK_MS 1000, in
 * vm.ts), the heartbeat of a slot (DEAD_AFTER_MS 3000, in slots.ts).
 */
const MAX_TICK_MS: i64 = 250;
export const MAX_FEEDS: i32 = 8;

/**
 * The filter's configuration, a JSON object:
 *
 *   generation  integer >= 0, default 0    which configuration this is; of two that overlap in one
 *                                          Envoy the higher one holds the feed
 *   feeds       array of at most 8 objects {cluster: string, authority?: string}, default empty
 *   tickMs      integer 5..250, default 25   how often counts are published and merged
 *   node        string, default Envoy's node id   what the controller knows this Envoy by
 *   pick        "header" (default) or "property"   how the pick leaves the filter: as the request
 *                                          header, which makes Envoy choose the route anew, or as filter
 *                                          state, from which a header_mutation filter behind this one
 *                                          writes the header without that
 *   body        "read" (default) or "pass"   whether a request may wait for its body. Where the host was not
 *                                          told `allow_on_headers_stop_iteration`, one that waits never gets
 *                                          it and hangs: there it must be "pass", and headers and load decide
 *   metrics     "envoy" (default) or "none"   whether requests and tokens by model show on Envoy's own page,
 *                                          where the bootstrap's stats_tags make labels of them; the
 *                                          controller has them in any case
 *
 * An unknown or repeated key, a wrong type or a value out of range is an error that names its path, the
 * value and the bound; Envoy then refuses the configuration and keeps the one it has.
 */
export class Settings {
  generation: u64 = 0;
  tickMs: u32 = 25;
  readonly feeds: FeedTarget[] = [];
  node: string = "";
  pickByProperty: bool = false;
  readsBodies: bool = true;
  metricsOnPage: bool = true;
  /** Empty when the configuration is good. */
  error: string = "";

  /** Never null: look at `error`. An empty configuration means all defaults. */
  static parse(text: string): Settings {
    const settings = new Settings();
    if (text.length == 0) return settings;
    const reader = new JsonReader(text);
    settings.read(reader);
    if (reader.error.length == 0) reader.end();
    settings.error = reader.error;
    return settings;
  }

  private read(reader: JsonReader): void {
    if (!reader.open("", "{")) return;
    const seen: string[] = [];
    while (reader.more("}")) {
      const key = reader.key();
      once(reader, seen, key, key);
      if (key == "generation") this.generation = <u64>reader.integer(key, 0, i64.MAX_VALUE);
      else if (key == "tickMs") this.tickMs = <u32>reader.integer(key, MIN_TICK_MS, MAX_TICK_MS);
      else if (key == "feeds") this.readFeeds(reader);
      else if (key == "node") this.node = reader.text(key);
      else if (key == "pick") this.pickByProperty = choice(reader, key, "property", "header");
      else if (key == "body") this.readsBodies = choice(reader, key, "read", "pass");
      else if (key == "metrics") this.metricsOnPage = choice(reader, key, "envoy", "none");
      else reader.fail(key, "unknown key (known: generation, feeds, tickMs, node, pick, body, metrics)");
    }
  }

  private readFeeds(reader: JsonReader): void {
    if (!reader.open("feeds", "[")) return;
    while (reader.more("]")) {
      const path = "feeds[" + this.feeds.length.toString() + "]";
      if (this.feeds.length == MAX_FEEDS) {
        reader.fail(path, "more than " + MAX_FEEDS.toString() + " feeds");
        return;
      }
      if (!reader.open(path, "{")) return;
      let cluster = "";
      let authority = "";
      const seen: string[] = [];
      while (reader.more("}")) {
        const key = reader.key();
        once(reader, seen, key, path + "." + key);
        if (key == "cluster") cluster = reader.text(path + ".cluster");
        else if (key == "authority") authority = reader.text(path + ".authority");
        else reader.fail(path + "." + key, "unknown key (known: cluster, authority)");
      }
      if (reader.error.length == 0 && cluster.length == 0)
        reader.fail(path + ".cluster", "must not be empty");
      this.feeds.push(new FeedTarget(cluster, authority.length > 0 ? authority : cluster));
    }
  }
}

/** JSON lets a key come twice and says not which one counts. */
function once(reader: JsonReader, seen: string[], key: string, path: string): void {
  if (seen.includes(key)) reader.fail(path, "given twice");
  else seen.push(key);
}

/** One of two words; true for the first. */
function choice(reader: JsonReader, key: string, yes: string, no: string): bool {
  const value = reader.text(key);
  if (value != yes && value != no)
    reader.fail(key, '"' + value + '" is neither "' + no + '" nor "' + yes + '"');
  return value == yes;
}
