import { LOG_LEVEL_MAX, LOG_LEVELS, ROOT_PHASES, Status } from "../abi.ts";
import { KNOWN_PROPERTIES, lookUp, serializeProperty, splitPath } from "../property.ts";
import { Root } from "../root.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

/** Logging, clocks, timers, properties, contexts. */
export function generalCalls(vm: Vm): HostFunctions {
  return {
    proxy_log(level: number, pointer: number, size: number): number {
      if (level >>> 0 > LOG_LEVEL_MAX) vm.fail("proxy_log", `unknown level ${level >>> 0}`);
      const text = vm.memory.readText(pointer, size, "log message");
      vm.process.logs.push({ thread: vm.thread, level: LOG_LEVELS[level]!, text });
      return Status.Ok;
    },

    proxy_get_log_level(levelOut: number): number {
      vm.memory.writeU32(levelOut, vm.process.logLevel, "log level out");
      return Status.Ok;
    },

    proxy_get_current_time_nanoseconds(timeOut: number): number {
      vm.memory.writeU64(timeOut, vm.process.clock.wallNs, "time out");
      return Status.Ok;
    },

    proxy_set_tick_period_milliseconds(periodMs: number): number {
      const context = vm.context();
      // A root that is being deleted may still speed up another one, which it made the effective context.
      const mayTick =
        vm.phase === "delete" ? context !== vm.caller() : vm.phase !== undefined && ROOT_PHASES.has(vm.phase);
      if (!(context instanceof Root) || !mayTick) {
        vm.fail("proxy_set_tick_period_milliseconds", "only a root context has a tick");
      }
      context.setTickPeriod(periodMs >>> 0);
      return Status.Ok;
    },

    proxy_set_effective_context(contextId: number): number {
      return vm.setEffective(contextId >>> 0);
    },

    proxy_done(): number {
      return vm.fail("proxy_done", "no callback of the guest left its end open");
    },

    proxy_get_property(path: number, pathSize: number, valueOut: number, sizeOut: number): number {
      const parts = splitPath(vm.memory.readText(path, pathSize, "property path"));
      const first = parts[0] ?? "";
      if (!KNOWN_PROPERTIES.has(first) && first !== "wasm") {
        vm.fail("proxy_get_property", `Envoy knows no property ${JSON.stringify(parts)}`);
      }
      const context = vm.context();
      const root = vm.rootOf(context);
      let value = root === undefined ? undefined : lookUp(pluginProperties(root, vm), parts);
      if (value === undefined && context !== undefined && !(context instanceof Root)) {
        value = lookUp(context.properties, parts);
      }
      if (value === undefined) return Status.NotFound;
      return vm.give("proxy_get_property", serializeProperty(value), valueOut, sizeOut);
    },

    proxy_set_property(path: number, pathSize: number, value: number, valueSize: number): number {
      const context = vm.context();
      const key = vm.memory.readText(path, pathSize, "property path");
      const bytes = vm.memory.read(value, valueSize, "property value");
      if (context === undefined || context instanceof Root) {
        return vm.fail("proxy_set_property", `no stream to set ${JSON.stringify(key)} on`);
      }
      context.filterState.set(`wasm.${key}`, bytes);
      return Status.Ok;
    },

    proxy_call_foreign_function(name: number, nameSize: number): number {
      return vm.fail(
        "proxy_call_foreign_function",
        `${vm.memory.readText(name, nameSize, "function name")} is not emulated`,
      );
    },
  };
}

function pluginProperties(root: Root, vm: Vm): Parameters<typeof lookUp>[0] {
  // During on_vm_start no plugin is set: the VM may serve several.
  const plugin =
    vm.phase === "vm_start" ? {} : { plugin_name: root.plugin.name, plugin_root_id: root.plugin.rootId };
  return { ...plugin, plugin_vm_id: root.plugin.vmId, xds: { node: vm.process.node } };
}
