/**
 * How long the compiled core takes to check and read bodies of several kinds that arrive in pieces of 16 KB, as Envoy
 * hands them over, in this process (Node's V8, the engine that Envoy embeds). Prints one JSON object: µs and bytes per
 * ns, the best and the median of many short runs, since a busy machine only ever adds.
 *
 *   node --no-liftoff --import tsx test/bench/scan.ts
 */
import { SCAN_COMPLETE } from "../../assembly/core/body/scan_codes.ts";
import { Core } from "../core/core.ts";
import { SeededRandom } from "../emulator/random.ts";
import { chatBody } from "./chat-body.ts";

const BODY_BYTES = 225_280;
const PIECE_BYTES = 16_384;
const RUNS = 200;
/** Work of one run, short enough to go undisturbed now and then. */
const RUN_US = 1000;
const BOUNDARY = "----------------------------747381502163";

const CJK = "今日は良い天気ですね。明日も晴れるでしょうか？\n";
const FRENCH = "Voilà un texte français — avec des accents, çà et là, et des « guillemets ».\n";
const CODE = '  if (x["key"] == "value\\n") {\n\treturn `"$y"`;\n  }\n';

/** Turns of about 2,000 bytes of a text. */
function turns(text: string): string {
  const content = text.repeat(Math.round(2000 / Buffer.byteLength(JSON.stringify(text))));
  const messages = Array.from({ length: Math.round(BODY_BYTES / 2000) }, () => ({ role: "user", content }));
  return JSON.stringify({ messages, model: "m" });
}

/** The same JSON without a character beyond ASCII, as Python's json.dumps writes it. */
function asciiOnly(json: string): string {
  return json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the current weather in a given location",
    parameters: {
      type: "object",
      properties: { location: { type: "string", description: "City and state" }, unit: { enum: ["C", "F"] } },
      required: ["location"],
    },
  },
};

/** The bodies by name; what they are made of is about BODY_BYTES long. */
const BODIES: Readonly<Record<string, string>> = {
  "English, 1 KB": chatBody(1024, "m", "last"),
  "English, 16 KB": chatBody(16_384, "m", "last"),
  "English, line breaks and quotes escaped": chatBody(BODY_BYTES, "m", "last"),
  "English, indented JSON": JSON.stringify(JSON.parse(chatBody(BODY_BYTES, "m", "last")), null, 2),
  French: turns(FRENCH),
  "Japanese in UTF-8": turns(CJK),
  "Japanese in \\u escapes": asciiOnly(turns(CJK.slice(0, 12))),
  "source code": turns(CODE),
  "short messages": JSON.stringify({
    messages: Array.from({ length: BODY_BYTES / 40 }, () => ({ role: "user", content: "short" })),
    model: "m",
  }),
  "tool schemas": JSON.stringify({ tools: Array(Math.round(BODY_BYTES / 300)).fill(TOOL), model: "m" }),
  "token ids": JSON.stringify({
    prompt: Array.from({ length: BODY_BYTES / 6 }, (_, at) => 10_000 + (at % 90_000)),
    model: "m",
  }),
};

/** A form with a recording, then the model. */
function formBody(): Buffer {
  const part = (head: string, value: Uint8Array): Uint8Array =>
    Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      value,
      Buffer.from("\r\n"),
    ]);
  const sound = new SeededRandom(1).bytes(BODY_BYTES);
  return Buffer.concat([
    part('name="file"; filename="a.wav"', sound),
    part('name="model"', Buffer.from("m")),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);
}

interface Speed {
  readonly bytes: number;
  readonly us: number;
  readonly medianUs: number;
  readonly bytesPerNs: number;
}

function measure(bytes: number, work: (rounds: number) => void): Speed {
  const timed = (rounds: number): number => {
    const start = performance.now();
    work(rounds);
    return ((performance.now() - start) * 1000) / rounds;
  };
  timed(100);
  const rounds = Math.max(1, Math.round(RUN_US / Math.min(timed(10), timed(10), timed(10))));
  const times = Array.from({ length: RUNS }, () => timed(rounds)).sort((left, right) => left - right);
  const round = (value: number): number => Math.round(value * 100) / 100;
  return {
    bytes,
    us: round(times[0]!),
    medianUs: round(times[RUNS >> 1]!),
    bytesPerNs: round(bytes / times[0]! / 1000),
  };
}

const core = new Core();
const { exports } = core;
const speeds: Record<string, Speed> = {};
for (const [name, text] of Object.entries(BODIES)) {
  const body = Buffer.from(text);
  const ptr = core.put(body);
  speeds[name] = measure(body.length, (rounds) => {
    if (exports.benchScan(ptr, body.length, PIECE_BYTES, rounds) !== SCAN_COMPLETE) throw new Error(name);
  });
}
const form = formBody();
const boundary = Buffer.from(BOUNDARY);
exports.formBegin(core.put(boundary), boundary.length);
const ptr = core.put(form);
speeds["a form with a recording"] = measure(form.length, (rounds) => {
  if (exports.benchForm(ptr, form.length, PIECE_BYTES, rounds) !== SCAN_COMPLETE) throw new Error("form");
});
console.log(JSON.stringify(speeds, null, 2));
