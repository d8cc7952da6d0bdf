/**
 * A chat completion of about `bytes` bytes of JSON: turns of about 2,000 bytes, a line break every 78 characters
 * and two escaped quotes every five lines. The keys stand as OpenAI's Python client sends them where the model
 * is `last`, behind the messages and before a few short ones, and as callers of the JavaScript client, which
 * keeps their order, tend to write them where it is `first`.
 */
export function chatBody(bytes: number, model: string, place: "first" | "last"): string {
  const line = "The quick brown fox jumps over the lazy dog, and over many others as well. \n".padStart(
    78,
    ">",
  );
  const quote = 'He said: "jump", and the dog did, as dogs in such examples are known to do.\n'.padStart(
    78,
    ">",
  );
  const page = line.repeat(4) + quote;
  const turns = Math.max(1, Math.round(bytes / 2000));
  const turnBytes = Math.max(16, Math.floor((bytes - 80) / turns / 1.03) - 32);
  const content = page.repeat(Math.ceil(turnBytes / page.length)).slice(0, turnBytes);
  const messages = Array.from({ length: turns }, () => ({ role: "user", content }));
  const rest = { max_tokens: 64, stream: false, temperature: 0.2 };
  return JSON.stringify(place === "first" ? { model, messages, ...rest } : { messages, model, ...rest });
}

/** A short chat completion whose answer is streamed, its usage included, in the Python client's order. */
export function streamBody(model: string): string {
  const messages = [{ role: "user", content: "Write about the model servers of a pool, in 500 tokens." }];
  return JSON.stringify({
    messages,
    model,
    max_tokens: 500,
    stream: true,
    stream_options: { include_usage: true },
  });
}
