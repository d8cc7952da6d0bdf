import binaryen from "assemblyscript/binaryen";
import type { Vm } from "../vm.ts";

/**
 * A guest whose callbacks are scripted in the test. The module itself is the thinnest one that links:
 * it re-exports the host calls it imports, forwards each callback to the script, and owns memory with
 * an allocator that only moves on. So host calls cross a real module boundary with real types.
 */

type Signature = { readonly params: readonly string[]; readonly result: string };

const WORD: Signature["params"][number] = "i32";
const words = (count: number): Signature => ({
  params: Array.from({ length: count }, () => WORD),
  result: WORD,
});

/** The host calls of the script, with their types. */
const HOST_CALLS: Readonly<Record<string, Signature>> = {
  proxy_log: words(3),
  proxy_set_tick_period_milliseconds: words(1),
  proxy_set_effective_context: words(1),
  proxy_get_current_time_nanoseconds: words(1),
  proxy_get_property: words(4),
  proxy_get_header_map_value: words(5),
  proxy_get_header_map_pairs: words(3),
  proxy_add_header_map_value: words(5),
  proxy_replace_header_map_value: words(5),
  proxy_remove_header_map_value: words(3),
  proxy_get_buffer_bytes: words(5),
  proxy_set_buffer_bytes: words(5),
  proxy_send_local_response: words(8),
  proxy_continue_stream: words(1),
  proxy_get_shared_data: words(5),
  proxy_set_shared_data: words(5),
  proxy_register_shared_queue: words(3),
  proxy_resolve_shared_queue: words(5),
  proxy_enqueue_shared_queue: words(3),
  proxy_dequeue_shared_queue: words(3),
  proxy_define_metric: words(4),
  proxy_increment_metric: { params: ["i32", "i64"], result: "i32" },
  proxy_record_metric: { params: ["i32", "i64"], result: "i32" },
  proxy_get_metric: words(2),
  proxy_grpc_stream: words(9),
  proxy_grpc_send: words(4),
  proxy_grpc_close: words(1),
  proxy_grpc_cancel: words(1),
  clock_time_get: { params: ["i32", "i64", "i32"], result: "i32" },
  random_get: words(2),
};
const WASI_CALLS = new Set(["clock_time_get", "random_get"]);

/** Callbacks of the script: parameter count and whether they return a word. */
export const SCRIPTED: Readonly<Record<string, readonly [parameters: number, returns: boolean]>> = {
  proxy_on_context_create: [2, false],
  proxy_on_vm_start: [2, true],
  proxy_on_configure: [2, true],
  proxy_on_tick: [1, false],
  proxy_on_queue_ready: [2, false],
  proxy_on_grpc_receive_initial_metadata: [3, false],
  proxy_on_grpc_receive: [3, false],
  proxy_on_grpc_close: [3, false],
  proxy_on_request_headers: [3, true],
  proxy_on_request_body: [3, true],
  proxy_on_request_trailers: [2, true],
  proxy_on_response_headers: [3, true],
  proxy_on_response_body: [3, true],
  proxy_on_log: [1, false],
  proxy_on_done: [1, true],
  proxy_on_delete: [1, false],
};

export interface GuestOptions {
  /** Callbacks that the module exports; default: all that can be scripted. */
  readonly callbacks?: readonly string[];
  /** Lines of text format put into the module as they are. */
  readonly extra?: string;
  readonly abiVersion?: string;
  readonly malloc?: string;
}

function moduleText(options: GuestOptions): string {
  const callbacks = options.callbacks ?? Object.keys(SCRIPTED);
  const imports = Object.entries(HOST_CALLS).map(([name, { params, result }]) => {
    const from = WASI_CALLS.has(name) ? "wasi_snapshot_preview1" : "env";
    return `(import "${from}" "${name}" (func $${name} (param ${params.join(" ")}) (result ${result})))
    (export "call_${name}" (func $${name}))`;
  });
  const exports = callbacks.map((name) => {
    const [count, returns] = SCRIPTED[name]!;
    const params = Array.from({ length: count }, (_, i) => `(param $p${i} i32)`).join(" ");
    const pass = [0, 1, 2].map((i) => (i < count ? `(local.get $p${i})` : "(i32.const 0)")).join(" ");
    const index = Object.keys(SCRIPTED).indexOf(name);
    const call = `(call $script (i32.const ${index}) ${pass})`;
    return `(func (export "${name}") ${params} ${returns ? "(result i32)" : ""} ${returns ? call : `(drop ${call})`})`;
  });
  return `(module
    (import "probe" "script" (func $script (param i32 i32 i32 i32) (result i32)))
    ${imports.join("\n")}
    (memory (export "memory") 16)
    (global $top (mut i32) (i32.const 1024))
    (func (export "${options.malloc ?? "malloc"}") (param $bytes i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $top))
      (global.set $top (i32.add (local.get $at) (local.get $bytes)))
      (local.get $at))
    (func (export "${options.abiVersion ?? "proxy_abi_version_0_2_1"}"))
    (func (export "trap") (unreachable))
    ${options.extra ?? ""}
    ${exports.join("\n")})`;
}

/** A module from text format. */
export function assemble(text: string): WebAssembly.Module {
  const module = binaryen.parseText(text);
  try {
    return new WebAssembly.Module(Uint8Array.from(module.emitBinary()));
  } finally {
    module.dispose();
  }
}

/** What it returns counts if it is a number; else the callback goes on, or agrees. */
export type Script = (guest: GuestCalls, ...args: number[]) => unknown;

/** The module that hands its callbacks to the scripts; see `scripted`. */
export function scriptedModule(options: GuestOptions = {}): WebAssembly.Module {
  return assemble(moduleText(options));
}

export type Scripts = Partial<Record<string, Script>>;

/** The `probeImports` of a process whose guests run these scripts. */
export function scripted(
  scripts: Scripts,
): (vm: Vm) => Record<string, Record<string, (...args: never[]) => unknown>> {
  return (vm) => {
    let guest: GuestCalls | undefined;
    const script = (index: number, ...args: number[]): number => {
      const name = Object.keys(SCRIPTED)[index]!;
      guest ??= new GuestCalls(vm);
      const result = scripts[name]?.(guest, ...args);
      if (typeof result === "number") return result;
      return STARTS.has(name) ? 1 : 0;
    };
    return { probe: { script } };
  };
}

/** Callbacks whose 0 means a refusal. */
const STARTS = new Set(["proxy_on_vm_start", "proxy_on_configure", "proxy_on_done"]);

/** What a script can do: host calls through the module, with memory handled. */
export class GuestCalls {
  readonly #vm: Vm;
  readonly #exports: Readonly<Record<string, unknown>>;
  readonly #out: number;

  constructor(vm: Vm) {
    this.#vm = vm;
    this.#exports = vm.instanceExports;
    this.#out = this.alloc(16);
  }

  get thread(): string {
    return this.#vm.thread;
  }

  alloc(bytes: number): number {
    const malloc = (this.#exports.malloc ?? this.#exports.proxy_on_memory_allocate) as (n: number) => number;
    return malloc(bytes);
  }

  /** The raw host call. */
  call(name: string, ...args: (number | bigint)[]): number {
    const host = this.#exports[`call_${name}`] as ((...args: (number | bigint)[]) => number) | undefined;
    if (host === undefined) throw new Error(`the scripted guest does not import ${name}`);
    return host(...args);
  }

  /** Ends the VM. */
  trap(): void {
    (this.#exports.trap as () => void)();
  }

  put(bytes: Uint8Array | string): [pointer: number, size: number] {
    const raw = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    if (raw.length === 0) return [0, 0];
    const pointer = this.alloc(raw.length);
    this.#vm.memory.write(pointer, raw, "script");
    return [pointer, raw.length];
  }

  /** A call that gives bytes back: `args` come first, the out words last. */
  bytes(name: string, ...args: (number | bigint)[]): { status: number; bytes: Uint8Array } {
    this.#vm.memory.write(this.#out, new Uint8Array(16), "script");
    const more = name === "proxy_get_shared_data" ? [this.#out + 8] : [];
    const status = this.call(name, ...args, this.#out, this.#out + 4, ...more);
    const pointer = this.#vm.memory.readU32(this.#out, "script");
    const size = this.#vm.memory.readU32(this.#out + 4, "script");
    return { status, bytes: this.#vm.memory.read(pointer, size, "script") };
  }

  text(name: string, ...args: (number | bigint)[]): string | undefined {
    const { status, bytes } = this.bytes(name, ...args);
    return status === 0 ? Buffer.from(bytes).toString("utf8") : undefined;
  }

  /** CAS of the value last read by `bytes("proxy_get_shared_data", …)`. */
  cas(): number {
    return this.#vm.memory.readU32(this.#out + 8, "script");
  }

  /** A call that gives a word back: `args` come first, the out word last. */
  word(name: string, ...args: (number | bigint)[]): { status: number; word: number } {
    this.#vm.memory.writeU32(this.#out, 0, "script");
    const status = this.call(name, ...args, this.#out);
    return { status, word: this.#vm.memory.readU32(this.#out, "script") };
  }

  /** A time in ns, as `proxy_get_current_time_nanoseconds` or WASI write it. */
  long(name: string, ...args: (number | bigint)[]): bigint {
    this.call(name, ...args, this.#out);
    const low = this.#vm.memory.readU32(this.#out, "script");
    const high = this.#vm.memory.readU32(this.#out + 4, "script");
    return (BigInt(high) << 32n) | BigInt(low);
  }

  log(text: string): void {
    this.call("proxy_log", 2, ...this.put(text));
  }
}
