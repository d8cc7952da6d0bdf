/** What is known of the request that wants an endpoint. One object, reused from request to request. */
export class PickRequest {
  /** Model asked for, `modelBytes` bytes of UTF-8 at `modelPtr`; 0 bytes: unknown. */
  modelPtr: usize = 0;
  modelBytes: i32 = 0;
  /** Bytes of the prompt, or of the body in its place; 0: unknown. */
  promptBytes: u32 = 0;
  /** Higher wins, negative may be shed. */
  priority: i32 = 0;
  /** Output tokens allowed; 0: unknown. */
  maxTokens: u32 = 0;

  /** Back to knowing nothing. */
  reset(): void {
    this.modelPtr = 0;
    this.modelBytes = 0;
    this.promptBytes = 0;
    this.priority = 0;
    this.maxTokens = 0;
  }
}
