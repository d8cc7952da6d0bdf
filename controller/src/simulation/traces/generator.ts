/**
 * The built-in traffic: conversations that share a system prompt and whose history grows from turn to turn.
 *
 * Lengths, arrivals and shared prefixes follow the recorded traces. With `MOONCAKE_CONVERSATION`, over an
 * hour, against the recording:
 *
 * | | recorded | generated within |
 * |---|---|---|
 * | requests a second | 3.40 | ± 8 % |
 * | prompt tokens mean / p50 / p90 / p99 | 12,035 / 6,909 / 27,367 / 85,401 | ± 10 / 15 / 15 / 15 % |
 * | answer tokens mean / p50 / p90 / p99 | 343 / 350 / 597 / 1,120 | ± 5 / 5 / 5 / 20 % |
 * | 512-token blocks hit with an infinite cache | 36.6 % | ± 3 points |
 * | requests that continue a conversation | 38.7 % | ± 4 points |
 * | coefficient of variation of the gaps between arrivals (3 s grid) | 3.03 | ± 10 % |
 *
 * With `AZURE_CONVERSATION`: 5.53 requests a second, prompts 1,155 / 1,020 / 2,735 / 4,142, answers
 * 211 / 129 / 424 / 601, the same tolerances, coefficient of variation 1.09 ± 0.15. That recording says
 * nothing of shared prefixes, so its requests have none.
 */
import { exponential, type Random, seededRandom } from "../random.ts";
import { SimulationError } from "../simulation-error.ts";
import { type ConversationProfile, MOST_PROMPT_TOKENS, type TurnProfile } from "./profiles.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "./trace-request.ts";
import { MinHeap } from "./min-heap.ts";

export interface GeneratorOptions {
  readonly profile: ConversationProfile;
  /** Equal seeds give equal requests. */
  readonly seed: number;
  /** New conversations come until then, > 0; `Infinity` never ends. */
  readonly durationMs: number;
  /** Multiplies the rate of new conversations, > 0. Default 1. Gaps between turns stay as they are. */
  readonly rate?: number;
}

export interface GeneratedRequest extends TraceRequest {
  /** 0 is the first conversation. */
  readonly conversation: number;
  /** 1 is the first turn. */
  readonly turn: number;
}

interface Due {
  readonly atMs: number;
  readonly conversation: number;
  readonly turn: number;
  /** Blocks and tokens of the turn before. */
  readonly history: readonly number[];
  readonly historyTokens: number;
}

/** Yields requests in the order of their arrival. @throws SimulationError `bad-option` */
export function* generateRequests(options: GeneratorOptions): Generator<GeneratedRequest> {
  const { profile, durationMs, rate = 1 } = options;
  if (!(durationMs > 0)) throw new SimulationError("bad-option", "durationMs", durationMs, "> 0");
  if (!(rate > 0)) throw new SimulationError("bad-option", "rate", rate, "> 0");
  const random = seededRandom(options.seed);
  const meanGapMs = 1000 / (profile.conversationsPerSecond * rate);
  const due = new MinHeap<Due>((a, b) => a.atMs - b.atMs);
  let nextBlock = 1;
  const freshBlocks = (count: number): number[] => Array.from({ length: count }, () => nextBlock++);
  let conversations = 0;
  let nextFirstMs = exponential(random, meanGapMs);
  for (;;) {
    const followUp = due.peek();
    const isFirst = followUp === undefined || nextFirstMs <= followUp.atMs;
    const atMs = isFirst ? nextFirstMs : followUp.atMs;
    if (atMs >= durationMs) return;
    let turn: Due;
    if (isFirst) {
      turn = { atMs, conversation: conversations++, turn: 1, history: [], historyTokens: 0 };
      nextFirstMs += exponential(random, meanGapMs);
    } else {
      due.pop();
      turn = followUp;
    }
    const [promptTokens, shared] = promptOf(turn, profile, random);
    const request = {
      arrivalMs:
        profile.arrivalGridMs === 0 ? atMs : Math.floor(atMs / profile.arrivalGridMs) * profile.arrivalGridMs,
      promptTokens,
      outputTokens: profile.outputTokens.sampleTokens(random),
      conversation: turn.conversation,
      turn: turn.turn,
    };
    if (profile.turns === undefined) {
      yield request;
      continue;
    }
    const blocks = Math.ceil(promptTokens / PREFIX_BLOCK_TOKENS);
    const prefixBlocks = turn.history.slice(0, shared).concat(freshBlocks(blocks - shared));
    // All conversations begin with the same block: the system prompt.
    prefixBlocks[0] = 0;
    yield { ...request, prefixBlocks };
    if (continues(turn.turn, promptTokens, profile.turns, random)) {
      due.push({
        atMs: atMs + profile.turns.gapMs.sample(random),
        conversation: turn.conversation,
        turn: turn.turn + 1,
        history: prefixBlocks,
        historyTokens: promptTokens,
      });
    }
  }
}

/** Prompt tokens of a turn, and the blocks that it shares with the turn before. */
function promptOf(turn: Due, profile: ConversationProfile, random: Random): [number, number] {
  if (turn.turn === 1 || profile.turns === undefined) {
    return [profile.firstPromptTokens.sampleTokens(random), 0];
  }
  const { branchPoint, branchNewTokens, newTokens, longTokens } = profile.turns;
  const branchShare =
    turn.historyTokens < longTokens ? profile.turns.branchShare : profile.turns.longBranchShare;
  // A block that the turn before filled in part only cannot be shared.
  const whole = Math.floor(turn.historyTokens / PREFIX_BLOCK_TOKENS);
  const branches = random() < branchShare;
  const shared = branches ? Math.max(1, Math.floor(whole * branchPoint.sample(random))) : whole;
  const fresh = (branches ? branchNewTokens : newTokens).sampleTokens(random);
  return [Math.min(shared * PREFIX_BLOCK_TOKENS + fresh, MOST_PROMPT_TOKENS), shared];
}

function continues(turn: number, promptTokens: number, profile: TurnProfile, random: Random): boolean {
  if (turn === 1 && promptTokens < profile.leastFollowedTokens) return false;
  const chance = profile.continues[Math.min(turn, profile.continues.length) - 1]!;
  return random() < (promptTokens < profile.longTokens ? chance : chance * profile.longContinues);
}
