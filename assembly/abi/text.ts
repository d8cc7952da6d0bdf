/** UTF-8 bytes of a constant, encoded once, for use as a name or a value in host calls. */
export class Text {
  private readonly buffer: ArrayBuffer;
  readonly bytes: i32;

  constructor(value: string) {
    this.buffer = String.UTF8.encode(value);
    this.bytes = this.buffer.byteLength;
  }


  @inline
  get ptr(): usize {
    return changetype<usize>(this.buffer);
  }
}
