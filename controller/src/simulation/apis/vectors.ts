/** Numbers that stand for what a pooling model would compute: drawn from the prompt, so equal for equal prompts. */
import { seededRandom } from "../random.ts";
import { textHash } from "../hash.ts";
import type { Prompt } from "./api.ts";

/** A vector of length 1. */
export function embedding({ text }: Prompt, dimensions: number): Float32Array {
  const random = seededRandom(textHash(text.toString("latin1")));
  const vector = new Float32Array(dimensions);
  let square = 0;
  for (let i = 0; i < dimensions; i++) {
    const value = random() * 2 - 1;
    vector[i] = value;
    square += value * value;
  }
  const length = Math.sqrt(square);
  for (let i = 0; i < dimensions; i++) vector[i]! /= length;
  return vector;
}

/** A score in [0, 1). */
export function score({ text }: Prompt): number {
  return seededRandom(textHash(text.toString("latin1")))();
}

/** Little-endian 32-bit floats. */
export function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}
