import type { ApiName } from "../../controller/src/model.ts";
import { API_NAMES } from "../../controller/src/table/names.ts";
import type { Core } from "./core.ts";

/** What `assembly/core/exports/routing.ts` exports. */
interface RoutingExports {
  seedDraws(seed: bigint): void;
  ruleOf(pool: number, ptr: number, bytes: number): number;
  drawTarget(rule: number): number;
  targetOf(pool: number, ptr: number, bytes: number): number;
  targetPtr(target: number): number;
  targetBytes(target: number): number;
  knowsModel(pool: number, ptr: number, bytes: number): number;
  apiOf(pool: number, ptr: number, bytes: number): number;
  apiModelStart(): number;
  apiModelEnd(): number;
  routeOf(ptr: number, bytes: number): number;
  poolForModel(route: number, ptr: number, bytes: number): number;
  beginListing(route: number): void;
  nextListed(): number;
  listedPtr(): number;
  listedBytes(): number;
  listedPool(): number;
  listedAdapter(): number;
  benchApi(pool: number, ptr: number, bytes: number, rounds: number): number;
  benchRewrite(pool: number, ptr: number, bytes: number, rounds: number): number;
  poolFlags(pool: number): number;
}

export interface Listed {
  readonly name: string;
  readonly pool: number;
  readonly adapter: boolean;
}

/** What a core's table says of models, paths and routes. */
export class Routing {
  readonly exports: RoutingExports;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.exports = core.exports as unknown as RoutingExports;
  }

  /** Calls with the address and length of a text. */
  with<Result>(text: string, call: (ptr: number, bytes: number) => Result): Result {
    const bytes = Buffer.from(text);
    return call(this.#core.put(bytes), bytes.length);
  }

  ruleOf(pool: number, model: string): number {
    return this.with(model, (ptr, bytes) => this.exports.ruleOf(pool, ptr, bytes));
  }

  /** The name of a target drawn for the model; undefined: it is not rewritten. */
  draw(pool: number, model: string): string | undefined {
    const rule = this.ruleOf(pool, model);
    return rule < 0 ? undefined : this.targetName(this.exports.drawTarget(rule));
  }

  targetName(target: number): string {
    return this.#core.textAt(this.exports.targetPtr(target), this.exports.targetBytes(target));
  }

  /** The pool's target of this name; -1 if none of its rules has it. */
  targetOf(pool: number, name: string): number {
    return this.with(name, (ptr, bytes) => this.exports.targetOf(pool, ptr, bytes));
  }

  knowsModel(pool: number, model: string): boolean {
    return this.with(model, (ptr, bytes) => this.exports.knowsModel(pool, ptr, bytes)) !== 0;
  }

  /** The API at a path and the model that the path names; pool -1: what is built in. */
  api(pool: number, path: string): { readonly api: ApiName; readonly model?: string } {
    const kind = this.with(path, (ptr, bytes) => this.exports.apiOf(pool, ptr, bytes));
    const api = API_NAMES.get(kind);
    if (api === undefined) throw new RangeError(`${kind} is no API`);
    const start = this.exports.apiModelStart();
    return start < 0
      ? { api }
      : { api, model: Buffer.from(path).toString("utf8", start, this.exports.apiModelEnd()) };
  }

  routeOf(name: string): number {
    return this.with(name, (ptr, bytes) => this.exports.routeOf(ptr, bytes));
  }

  poolForModel(route: number, model: string): number {
    return this.with(model, (ptr, bytes) => this.exports.poolForModel(route, ptr, bytes));
  }

  listing(route: number): readonly Listed[] {
    const { exports } = this;
    const listed: Listed[] = [];
    exports.beginListing(route);
    while (exports.nextListed() !== 0) {
      const name = this.#core.textAt(exports.listedPtr(), exports.listedBytes());
      listed.push({ name, pool: exports.listedPool(), adapter: exports.listedAdapter() !== 0 });
    }
    return listed;
  }
}
