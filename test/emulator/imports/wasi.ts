import { WASI_CLOCK_MONOTONIC, WASI_CLOCK_REALTIME, Wasi } from "../abi.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

/** The part of WASI that Envoy answers and that a guest without files has a use for. */
export function wasiCalls(vm: Vm): HostFunctions {
  return {
    clock_time_get(clock: number, _precision: bigint, timeOut: number): number {
      if (clock !== WASI_CLOCK_REALTIME && clock !== WASI_CLOCK_MONOTONIC) return Wasi.NotSupported;
      const { wallNs, monotonicNs } = vm.process.clock;
      vm.memory.writeU64(timeOut, clock === WASI_CLOCK_REALTIME ? wallNs : monotonicNs, "time out");
      return Wasi.Success;
    },

    random_get(pointer: number, size: number): number {
      if (size >>> 0 > 65_536) vm.fail("random_get", `${size >>> 0} bytes at once, Envoy gives 65536`);
      vm.memory.write(pointer, vm.process.random.bytes(size >>> 0), "random bytes out");
      return Wasi.Success;
    },

    fd_write(fd: number, vectors: number, count: number, writtenOut: number): number {
      if (fd !== 1 && fd !== 2) return Wasi.BadFileDescriptor;
      let text = "";
      for (let i = 0; i < count; i++) {
        const pointer = vm.memory.readU32(vectors + 8 * i, "io vector");
        const size = vm.memory.readU32(vectors + 8 * i + 4, "io vector");
        text += vm.memory.readText(pointer, size, "output");
      }
      vm.process.logs.push({ thread: vm.thread, level: fd === 1 ? "info" : "error", text: text.trimEnd() });
      vm.memory.writeU32(writtenOut, Buffer.byteLength(text), "written out");
      return Wasi.Success;
    },

    environ_sizes_get(countOut: number, sizeOut: number): number {
      vm.memory.writeU32(countOut, 0, "count out");
      vm.memory.writeU32(sizeOut, 0, "size out");
      return Wasi.Success;
    },

    environ_get(): number {
      return Wasi.Success;
    },

    proc_exit(code: number): void {
      vm.fail("proc_exit", `the guest left with ${code}; Envoy ignores it and goes on`);
    },
  };
}
