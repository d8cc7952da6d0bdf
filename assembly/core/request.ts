import { EndpointSubset } from "./endpoint_subset";

/** What is known of the request that wants an endpoint. One object, reused from request to request. */
export class PickRequest {
  /** Model asked for, `modelBytes` bytes of UTF-8 at `modelPtr`; 0 bytes: unknown. */
  modelPtr: usize = 0;
  modelBytes: i32 = 0;
  /** Bytes of the prompt, or of the body in its place; 0: unknown. */
  promptBytes: u32 = 0;
  /** Tokens of the prompt; 0: unknown, and estimated by its bytes. */
  promptTokens: f64 = 0;
  /** Higher wins, negative may be shed. */
  priority: i32 = 0;
  /** Output tokens allowed; 0: unknown. */
  maxTokens: u32 = 0;
  /** Of the caller's monotonic clock. */
  nowMs: f64 = 0;
  /** The prompt's chain of block hashes (`BlockHasher`), `blocks` of them, and its `prefixSeed`; 0 blocks: unknown. */
  hashes: usize = 0;
  blocks: i32 = 0;
  seed: u64 = 0;
  /** The endpoint picked counts as one that holds the prompt; false: not before `Flights.note`. */
  notesPrefix: bool = true;
  /** Set by a pick: the chance that the first token comes too late from the endpoint picked first; 0 where the profile does not tell. */
  lateChance: f64 = 0;
  /** Objectives of this request: time to first token, and time for each later one; 0: the pool's. */
  ttftObjectiveMs: f64 = 0;
  tpotObjectiveMs: f64 = 0;
  /** Endpoints that it may go to. */
  readonly subset: EndpointSubset = new EndpointSubset();
  /** Bit of its class (`RequestClasses.ofHeader`); 0: none. */
  classBit: u32 = 0;
  /** Token of the endpoint that its session goes to (`Sessions`); 0: none. */
  session: u64 = 0;

  /** Back to knowing nothing. */
  reset(): void {
    this.modelPtr = 0;
    this.modelBytes = 0;
    this.promptBytes = 0;
    this.promptTokens = 0;
    this.priority = 0;
    this.maxTokens = 0;
    this.nowMs = 0;
    this.hashes = 0;
    this.blocks = 0;
    this.seed = 0;
    this.notesPrefix = true;
    this.lateChance = 0;
    this.ttftObjectiveMs = 0;
    this.tpotObjectiveMs = 0;
    this.subset.clear();
    this.classBit = 0;
    this.session = 0;
  }
}
