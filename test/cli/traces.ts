/** Requests of a small trace, 20 ms apart. */
export const TRACE_REQUESTS = 12;

/** As the Mooncake traces are written: two blocks of 512 tokens, the first shared by all. */
export function mooncakeTrace(): string {
  return Array.from({ length: TRACE_REQUESTS }, (_, i) =>
    JSON.stringify({ timestamp: i * 20, input_length: 600, output_length: 4, hash_ids: [0, i + 1] }),
  ).join("\n");
}

/** As the Azure traces are written. */
export function azureTrace(): string {
  const rows = Array.from(
    { length: TRACE_REQUESTS },
    (_, i) => `2023-11-16 18:15:46.${String(i * 200_000).padStart(7, "0")},${300 + i},4`,
  );
  return ["TIMESTAMP,ContextTokens,GeneratedTokens", ...rows].join("\r\n");
}
