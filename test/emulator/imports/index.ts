import type { Vm } from "../vm.ts";
import { generalCalls } from "./general.ts";
import { grpcCalls } from "./grpc.ts";
import { httpCalls } from "./http.ts";
import { metricCalls } from "./metrics.ts";
import { sharedCalls } from "./shared.ts";
import { wasiCalls } from "./wasi.ts";

export type HostFunction = (...args: never[]) => unknown;
export type HostFunctions = Readonly<Record<string, HostFunction>>;

/** Everything a guest may import, by module and name. What is not here fails the load. */
export function hostImports(vm: Vm): Readonly<Record<string, HostFunctions>> {
  return {
    env: { ...generalCalls(vm), ...httpCalls(vm), ...sharedCalls(vm), ...metricCalls(vm), ...grpcCalls(vm) },
    wasi_snapshot_preview1: wasiCalls(vm),
  };
}
