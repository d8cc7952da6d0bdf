import { Status } from "../abi.ts";
import { Root } from "../root.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

/** Shared data and shared queues. */
export function sharedCalls(vm: Vm): HostFunctions {
  /** A throw-away VM runs the start of every configuration: what it leaves outside is left for ever. */
  const mustHaveStarted = (call: string): void => {
    if (vm.canary) vm.fail(call, "a canary VM must leave nothing outside: put it off to on_tick");
  };

  return {
    proxy_get_shared_data(
      key: number,
      keySize: number,
      valueOut: number,
      sizeOut: number,
      casOut: number,
    ): number {
      const found = vm.process.sharedData.get(vm.vmId, vm.memory.readText(key, keySize, "shared data key"));
      if (found === undefined) return Status.NotFound;
      vm.give("proxy_get_shared_data", found.bytes, valueOut, sizeOut);
      vm.memory.writeU32(casOut, found.cas, "CAS out");
      return Status.Ok;
    },

    proxy_set_shared_data(
      key: number,
      keySize: number,
      value: number,
      valueSize: number,
      cas: number,
    ): number {
      mustHaveStarted("proxy_set_shared_data");
      const name = vm.memory.readText(key, keySize, "shared data key");
      const bytes = vm.memory.read(value, valueSize, "shared data value");
      return vm.process.sharedData.set(vm.vmId, name, bytes, cas >>> 0);
    },

    proxy_register_shared_queue(name: number, nameSize: number, tokenOut: number): number {
      mustHaveStarted("proxy_register_shared_queue");
      const context = vm.context();
      if (!(context instanceof Root)) {
        vm.fail("proxy_register_shared_queue", "a queue a request never ends: register in a root context");
      }
      const token = vm.process.queues.register(vm.vmId, vm.memory.readText(name, nameSize, "queue name"), {
        thread: vm.thread,
        vmKey: vm.vmKey,
        contextId: context.contextId,
      });
      context.queueTokens.add(token);
      vm.memory.writeU32(tokenOut, token, "queue token out");
      return Status.Ok;
    },

    proxy_resolve_shared_queue(
      vmId: number,
      vmIdSize: number,
      name: number,
      nameSize: number,
      tokenOut: number,
    ): number {
      const asked = vm.memory.readText(vmId, vmIdSize, "VM id");
      const token = vm.process.queues.resolve(
        asked === "" ? vm.vmId : asked,
        vm.memory.readText(name, nameSize, "queue name"),
      );
      if (token === 0) return Status.NotFound;
      vm.memory.writeU32(tokenOut, token, "queue token out");
      return Status.Ok;
    },

    proxy_enqueue_shared_queue(token: number, value: number, valueSize: number): number {
      mustHaveStarted("proxy_enqueue_shared_queue");
      const bytes = vm.memory.read(value, valueSize, "queue item");
      const consumer = vm.process.queues.enqueue(token >>> 0, bytes);
      if (consumer === undefined) {
        return vm.fail("proxy_enqueue_shared_queue", `no queue has token ${token >>> 0}`);
      }
      vm.process.post(consumer.thread, () => {
        const there = vm.process.currentVm(consumer.thread, consumer.vmKey);
        there?.roots.get(consumer.contextId)?.onQueueReady(token >>> 0);
      });
      return Status.Ok;
    },

    proxy_dequeue_shared_queue(token: number, valueOut: number, sizeOut: number): number {
      const { status, bytes } = vm.process.queues.dequeue(token >>> 0);
      if (status === Status.NotFound) {
        vm.fail("proxy_dequeue_shared_queue", `no queue has token ${token >>> 0}`);
      }
      if (bytes === undefined) return status;
      return vm.give("proxy_dequeue_shared_queue", bytes, valueOut, sizeOut);
    },
  };
}
