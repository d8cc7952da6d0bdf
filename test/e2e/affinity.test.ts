/** Conversations on a real Envoy: their turns find the endpoint that has their prompt, by text, model and salt. */
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, before, describe, it } from "node:test";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { request } from "./client.ts";
import { Gateway, until } from "./harness.ts";

const SERVERS = 5;
const CONVERSATIONS = 6;
/** 12 turns of 8 KB go beyond the body's window of 64 KB, and beyond what is hashed. */
const TURNS = 12;
const TURN_BYTES = 8000;
const PATH = "/v1/chat/completions";
const MODEL = "m";

type Message = Readonly<Record<"role" | "content", string>>;
type Shape = (messages: readonly Message[]) => Readonly<Record<string, unknown>>;

const TOOLS = [{ type: "function", function: { name: "search", description: "search ".repeat(300) } }];
/** As JavaScript's callers write requests, and as Python's client sends them. */
const SHAPES: Readonly<Record<string, Shape>> = {
  "the model first": (messages) => ({ model: MODEL, messages, max_tokens: 4 }),
  "the messages first and tools last": (messages) => ({
    messages,
    model: MODEL,
    max_tokens: 4,
    tools: TOOLS,
  }),
};

function turns(about: string, count: number): readonly Message[] {
  return Array.from({ length: count }, (_, turn) => {
    const words = `${about}, turn ${turn} `;
    return { role: turn % 2 === 0 ? "user" : "assistant", content: words.repeat(TURN_BYTES / words.length) };
  });
}

interface Usage {
  readonly prompt_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

for (const profile of ["net-goodput", "epp"]) {
  describe(`conversations under ${profile}`, { timeout: 120_000 }, () => {
    let fleet: Fleet;
    let gateway: Gateway;
    const agent = new Agent({ keepAlive: true });
    /** Requests so far, each of which has a line of the access log in the end. */
    let asked = 0;

    before(async () => {
      fleet = await startFleet({ count: SERVERS, speed: 20, models: [MODEL] });
      gateway = await Gateway.start({
        name: `affinity-${profile}`,
        workers: 1,
        pools: {
          pools: [
            {
              name: "test",
              profile,
              models: [MODEL],
              scrape: { interval: "200ms" },
              endpoints: [...fleet.addresses],
            },
          ],
        },
      });
      // The memory for prompts is made in the tick behind the first request that asks for it, and what is in it under the
      // worker's own secret is lost to the controller's, which comes with a table some seconds after the start.
      const told = "inference_picker.exchange.prompts_sent";
      let round = 0;
      await until("a prompt is found again, and other Envoys would be told of it", async () => {
        const body = SHAPES["the model first"]!(turns(`to begin with ${round++}`, 1));
        const first = await serverOf(body);
        const isFound = (await serverOf(body)) === first && (await serverOf(body)) === first;
        return isFound && (await gateway.stat(told)) > 0;
      });
    });

    after(async () => {
      agent.destroy();
      await gateway?.stop();
      await fleet?.close();
    });

    for (const [name, shape] of Object.entries(SHAPES)) {
      it(`find their cache at every turn, longer than the window too: ${name}`, async () => {
        let expected = 0;
        let cached = 0;
        const before = new Map<number, number>();
        for (let count = 1; count <= TURNS; count++) {
          for (let conversation = 0; conversation < CONVERSATIONS; conversation++) {
            const usage = await ask(shape(turns(`${name}, ${conversation}`, count)));
            expected += before.get(conversation) ?? 0;
            if (count > 1) cached += usage.prompt_tokens_details.cached_tokens;
            before.set(conversation, usage.prompt_tokens);
          }
        }
        const share = cached / expected;
        console.log(`${profile}, ${name}: ${(share * 100).toFixed(1)} % of what the turns before had`);
        // By chance a fifth; on a busy machine a server can be unready for a moment.
        assert.ok(share > 0.8, `${cached} of ${expected} tokens were cached`);
      });
    }

    it("with equal texts do not attract one another under different salts", async () => {
      const salted = (conversation: number, cache_salt: string) => ({
        messages: turns(`salted ${conversation}`, 2),
        model: MODEL,
        max_tokens: 4,
        cache_salt,
      });
      const serversOf = async (salt: string): Promise<readonly string[]> => {
        const servers: string[] = [];
        for (let conversation = 0; conversation < 12; conversation++)
          servers.push(await serverOf(salted(conversation, salt)));
        return servers;
      };
      const first = await serversOf("a");
      assert.deepEqual(await serversOf("a"), first, "one salt's are found again");
      assert.notDeepEqual(await serversOf("b"), first, "by chance once in 5^12");
    });

    async function ask(body: Readonly<Record<string, unknown>>): Promise<Usage> {
      asked++;
      const answer = await request(gateway.port, { path: PATH, agent, body: JSON.stringify(body) });
      assert.equal(answer.status, 200, answer.body.toString());
      return (JSON.parse(answer.body.toString()) as { readonly usage: Usage }).usage;
    }

    /** Address of who served it, by the access log. */
    async function serverOf(body: Readonly<Record<string, unknown>>): Promise<string> {
      const place = asked;
      await ask(body);
      const logged = () => gateway.logged().filter(({ path }) => path === PATH)[place];
      const { served } = await until("the request is in the access log", logged);
      return served!;
    }
  });
}
