/** What a server counts about itself, with vLLM's bucket bounds. Times in seconds, as its page has them. */
import { Histogram } from "./histogram.ts";

const REQUEST_SECONDS = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const TOKEN_SECONDS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const FIRST_TOKEN_SECONDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];
const ITERATION_TOKENS = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

/** 1, 2, 5, 10, 20, 50 … up to the longest sequence. */
function tokenBounds(maxModelTokens: number): number[] {
  const bounds: number[] = [];
  for (let decade = 1; ; decade *= 10) {
    for (const step of [1, 2, 5]) {
      if (step * decade > maxModelTokens) return bounds;
      bounds.push(step * decade);
    }
  }
}

export class ServerMetrics {
  promptTokens = 0;
  promptTokensCached = 0;
  generationTokens = 0;
  finishedStop = 0;
  finishedLength = 0;
  finishedAbort = 0;
  steps = 0;

  readonly timeToFirstToken = new Histogram(FIRST_TOKEN_SECONDS);
  readonly interTokenLatency = new Histogram(TOKEN_SECONDS);
  readonly timePerOutputToken = new Histogram(TOKEN_SECONDS);
  readonly e2eLatency = new Histogram(REQUEST_SECONDS);
  readonly queueTime = new Histogram(REQUEST_SECONDS);
  readonly inferenceTime = new Histogram(REQUEST_SECONDS);
  readonly prefillTime = new Histogram(REQUEST_SECONDS);
  readonly decodeTime = new Histogram(REQUEST_SECONDS);
  readonly iterationTokens = new Histogram(ITERATION_TOKENS);
  readonly requestPreemptions = new Histogram([1, 2, 3, 4, 5, 10, 20]);
  readonly requestPromptTokens: Histogram;
  readonly requestGenerationTokens: Histogram;
  readonly requestComputedTokens: Histogram;

  constructor(maxModelTokens: number) {
    const bounds = tokenBounds(maxModelTokens);
    this.requestPromptTokens = new Histogram(bounds);
    this.requestGenerationTokens = new Histogram(bounds);
    this.requestComputedTokens = new Histogram(bounds);
  }
}
