/**
 * Compares the policies and prints tables in Markdown: goodput, and the p99 of the time to the first token, each the mean
 * over the windows, at rates around the knee of round robin.
 *
 *   make compare [TRACES=folder] [SECTIONS='section …']
 *
 * `folder` holds `mooncake_conversation_trace.jsonl` (github.com/kvcache-ai/Mooncake) and `AzureLLMInferenceTrace_conv.csv`
 * (github.com/Azure/AzurePublicDataset); without it traffic is generated after them. It takes all cores.
 */
import { availableParallelism } from "node:os";
import { RunThreads } from "../../../controller/src/simulation/runs/run-threads.ts";
import { coreModule } from "../../core/core.ts";
import { kneeOf } from "./knee.ts";
import { SECTIONS, SERVERS, type Section, specOf, type Traffic, trafficOf } from "./plan.ts";

async function main(): Promise<void> {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !SECTIONS.some((section) => section.name === name));
  if (unknown.length > 0) {
    throw new Error(`${unknown.join(", ")}: none of ${SECTIONS.map(({ name }) => name).join(", ")}`);
  }
  const sections = SECTIONS.filter(({ name }) => asked.length === 0 || asked.includes(name));
  const threads = new RunThreads(coreModule(), availableParallelism());
  try {
    for (const section of sections) {
      console.log(`\n### ${section.title}`);
      for (const traffic of trafficOf(process.env.TRACES || undefined))
        console.log(`\n${await table(threads, section, traffic)}`);
    }
  } finally {
    await threads.close();
  }
}

async function table(threads: RunThreads, section: Section, traffic: Traffic): Promise<string> {
  const goodputOf = (window: Traffic["windows"][number]) => async (speed: number) => {
    const knee = section.kneeShare === undefined ? section : { ...section, servers: SERVERS };
    const spec = specOf(knee, { title: "", policy: "round-robin" }, window, speed);
    return (await threads.run(spec, () => {})).figures.goodputRatio;
  };
  const found = await Promise.all(traffic.windows.map((window) => kneeOf(goodputOf(window))));
  const knees = found.map((speed) => speed * (section.kneeShare ?? 1));
  const rows = await Promise.all(
    section.rows.map(async (row) => {
      const cells = await Promise.all(
        section.loads.map(async (load) => {
          const runs = traffic.windows.map((window, index) =>
            threads.run(specOf(section, row, window, (knees[index]! * load) / 100), () => {}),
          );
          const figures = (await Promise.all(runs)).map((run) => run.figures);
          const goodput = mean(figures.map(({ goodputRatio }) => 100 * goodputRatio));
          const ttftS = mean(figures.map(({ ttftP99Ms }) => ttftP99Ms / 1000));
          return `${goodput.toFixed(1)} (${ttftS.toFixed(1)} s)`;
        }),
      );
      return `| ${[row.title, ...cells].join(" | ")} |`;
    }),
  );
  const head = [traffic.title, ...section.loads.map((load) => `${load} %`)];
  const knee = knees.map((speed) => speed.toFixed(2)).join(", ");
  return [
    `| ${head.join(" | ")} |`,
    `|${head.map((_, index) => (index === 0 ? "---" : "--:")).join("|")}|`,
    ...rows,
    "",
    `100 % is ${knee} times the recorded rate.`,
  ].join("\n");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

await main();
