import { METRIC_TYPE_MAX, MetricType, Status } from "../abi.ts";
import type { Metric } from "../metrics.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

export function metricCalls(vm: Vm): HostFunctions {
  const known = (call: string, id: number): Metric => {
    const metric = vm.metricIds.get(id >>> 0);
    return metric ?? vm.fail(call, `this VM defined no metric ${id >>> 0}`);
  };

  return {
    proxy_define_metric(type: number, name: number, nameSize: number, idOut: number): number {
      if (type >>> 0 > METRIC_TYPE_MAX) vm.fail("proxy_define_metric", `unknown type ${type >>> 0}`);
      const text = vm.memory.readText(name, nameSize, "metric name");
      if (text === "") vm.fail("proxy_define_metric", "the name is empty");
      for (const [, metric] of vm.metricIds) {
        if (metric.name === text && metric.type === type) {
          vm.fail("proxy_define_metric", `${text} defined twice in one VM: each takes an id for ever`);
        }
      }
      // The two low bits of an id are the type.
      const id = vm.nextMetricId[type]!;
      vm.nextMetricId[type] = id + 4;
      vm.metricIds.set(id, vm.process.metrics.define(type, text));
      vm.memory.writeU32(idOut, id, "metric id out");
      return Status.Ok;
    },

    proxy_increment_metric(id: number, offset: bigint): number {
      const metric = known("proxy_increment_metric", id);
      if (metric.type === MetricType.Histogram) {
        vm.fail("proxy_increment_metric", `${metric.name} is a histogram`);
      }
      if (metric.type === MetricType.Counter && offset <= 0n) {
        vm.fail("proxy_increment_metric", `counter ${metric.name} by ${offset}, must be > 0`);
      }
      if (metric.value + offset < 0n) {
        vm.fail("proxy_increment_metric", `gauge ${metric.name} at ${metric.value} by ${offset}: below zero`);
      }
      metric.value += offset;
      return Status.Ok;
    },

    proxy_record_metric(id: number, value: bigint): number {
      const metric = known("proxy_record_metric", id);
      const unsigned = BigInt.asUintN(64, value);
      if (metric.type === MetricType.Counter) metric.value += unsigned;
      else if (metric.type === MetricType.Gauge) metric.value = unsigned;
      else metric.recorded.push(unsigned);
      return Status.Ok;
    },

    proxy_get_metric(id: number, valueOut: number): number {
      const metric = known("proxy_get_metric", id);
      if (metric.type === MetricType.Histogram) vm.fail("proxy_get_metric", `${metric.name} is a histogram`);
      vm.memory.writeU64(valueOut, metric.value, "metric value out");
      return Status.Ok;
    },
  };
}
