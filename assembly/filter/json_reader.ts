/**
 * A strict reader for the filter's own small configuration: objects, arrays, strings and integers.
 * A library would accept and ignore unknown keys; here a misspelt one must be an error with its path.
 * The first error stops everything: afterwards every call returns its neutral value.
 */
export class JsonReader {
  /** Empty, or `path: what is wrong`. */
  error: string = "";
  private at: i32 = 0;
  /** Just behind an opening bracket: the next value needs no comma. */
  private first: bool = false;

  constructor(private readonly source: string) {}

  fail(path: string, what: string): void {
    if (this.error.length == 0) this.error = (path.length > 0 ? path : "configuration") + ": " + what;
  }

  /** Enters an object or array. */
  open(path: string, bracket: string): bool {
    if (!this.take(bracket)) {
      this.fail(path, "expected " + bracket + " at offset " + this.at.toString());
      return false;
    }
    this.first = true;
    return true;
  }

  /** Is there another member? Consumes the comma before it, or the closing bracket. */
  more(bracket: string): bool {
    if (this.error.length > 0) return false;
    if (this.take(bracket)) {
      this.first = false;
      return false;
    }
    if (!this.first && !this.take(",")) {
      this.fail("", "expected , or " + bracket + " at offset " + this.at.toString());
      return false;
    }
    this.first = false;
    return true;
  }

  key(): string {
    const name = this.text("");
    if (!this.take(":")) this.fail(name, "expected : at offset " + this.at.toString());
    return name;
  }

  /** A string; escapes other than \" \\ \/ are refused, names here need none. */
  text(path: string): string {
    if (this.error.length > 0) return "";
    if (!this.take('"')) {
      this.fail(path, "expected a string at offset " + this.at.toString());
      return "";
    }
    let value = "";
    while (this.at < this.source.length) {
      const character = this.source.charAt(this.at++);
      if (character == '"') return value;
      if (character == "\\") {
        const escaped = this.source.charAt(this.at++);
        if (escaped != '"' && escaped != "\\" && escaped != "/") {
          this.fail(path, "unsupported escape \\" + escaped);
          return "";
        }
        value += escaped;
      } else value += character;
    }
    this.fail(path, "unterminated string");
    return "";
  }

  /** An integer within [low, high]. */
  integer(path: string, low: i64, high: i64): i64 {
    if (this.error.length > 0) return low;
    this.skip();
    const start = this.at;
    if (this.peek() == 0x2d) this.at++;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at++;
    const text = this.source.substring(start, this.at);
    if (text.length == 0 || text == "-" || text.length > 18) {
      this.fail(path, "expected an integer at offset " + start.toString());
      return low;
    }
    const value = I64.parseInt(text);
    if (value < low || value > high) {
      this.fail(path, text + " is outside " + low.toString() + ".." + high.toString());
      return low;
    }
    return value;
  }

  /** Nothing but white space may follow. */
  end(): void {
    this.skip();
    if (this.at < this.source.length) this.fail("", "unexpected text at offset " + this.at.toString());
  }

  private peek(): i32 {
    return this.at < this.source.length ? this.source.charCodeAt(this.at) : -1;
  }

  private skip(): void {
    while (this.peek() == 0x20 || this.peek() == 0x0a || this.peek() == 0x0d || this.peek() == 0x09)
      this.at++;
  }

  private take(token: string): bool {
    this.skip();
    if (this.peek() != token.charCodeAt(0)) return false;
    this.at++;
    return true;
  }
}
