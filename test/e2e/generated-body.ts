import type { SeededRandom } from "../emulator/random.ts";

/** Where a top-level `model` stands: its value's bytes `[start, end)`, quotes included, and what it says. */
export interface ModelSpan {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** A valid JSON body of an odd form. */
export interface GeneratedBody {
  readonly bytes: Buffer;
  /** In the body's order; servers take the last. */
  readonly models: readonly ModelSpan[];
}

const SPACES = ["", "", "", "", " ", "\n", "\t", "\r\n  ", "    "];
const NUMBERS = [
  ...["0", "-0", "7", "1e400", "-1E-7", "0.30000000000000004", "9007199254740993", "1e+2", "2.50"],
  "123456789012345678901234567890123456789012345678901234567890",
];
/** Strings in their JSON form: what would lead a careless reader astray, and every way to write a character. */
const TEXTS = [
  ...[
    '""',
    '"hello"',
    '"\\"model\\":\\"chat\\""',
    '"{\\"model\\": \\"chat\\"}"',
    '"model"',
    '"\\\\"',
    '"\\\\\\""',
  ],
  ...[
    '"\\u006dodel"',
    '"\\ud83d\\ude00 😀"',
    '"\\ud800"',
    '"\\/\\b\\f\\n\\r\\t"',
    '"\\u0000"',
    '"日本語のテキスト"',
  ],
  ...['"naïve café — “quoted”"', '"]}"', '"[{,:"', '" \\u2028\u2028"', '"\u007f"'],
];
/** Pieces of long strings, in their JSON form. */
const PROSE = [
  "The quick brown fox jumps over the lazy dog, and over many others as well. ".repeat(3),
  'He said: \\"jump\\", and the dog did.\\n',
  "敏捷的棕色狐狸跳过了懒狗。".repeat(12),
  'C:\\\\models\\\\chat \\\\\\" {\\"model\\":\\"chat\\"}, ',
  "\\u00e9\\u4e2d\\ud83d\\ude80/\\/".repeat(9),
  "x".repeat(61),
];
/** Keys at the top that look like `model` and are not. */
const OTHER_KEYS = [
  '"Model"',
  '"model "',
  '"models"',
  '"mode"',
  '"\\u006dodels"',
  '"mödel"',
  '"model\\u0000"',
];

/** Builds bodies of about `bytes` bytes that name one of `names`, or several of them, or an odd one. */
export class BodyGenerator {
  private parts: string[] = [];
  private bytes = 0;
  private readonly random: SeededRandom;
  private readonly names: readonly string[];

  constructor(random: SeededRandom, names: readonly string[]) {
    this.random = random;
    this.names = names;
  }

  /** Bodies that fit into 32 KB may name several models, all of which the filter sees before it decides. */
  next(bytes: number): GeneratedBody {
    this.parts = [];
    this.bytes = 0;
    const models: ModelSpan[] = [];
    const prose = Math.max(0, bytes - 300);
    const named = bytes < 32_000 && this.random.below(10) === 0 ? 2 + this.random.below(2) : 1;
    const members: (() => void)[] = [
      () => this.messages(prose),
      ...Array.from({ length: this.random.below(6) }, () => () => this.otherMember()),
      ...Array.from({ length: named }, () => () => models.push(this.modelMember())),
    ];
    shuffle(members, this.random);
    this.space();
    this.put("{");
    members.forEach((member, index) => {
      if (index > 0) this.put(",");
      this.space();
      member();
      this.space();
    });
    this.put("}");
    this.space();
    return { bytes: Buffer.from(this.parts.join("")), models };
  }

  private modelMember(): ModelSpan {
    this.key(this.random.below(8) === 0 ? '"\\u006d\\u006Fde\\u006c"' : '"model"');
    const start = this.bytes;
    const name = this.pick(this.names);
    this.put(this.written(name));
    return { start, end: this.bytes, name };
  }

  /** One of the ways to write the text as a JSON string. */
  private written(text: string): string {
    if (this.random.below(2) === 0) return JSON.stringify(text);
    let out = '"';
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      const surrogate = code >= 0xd800 && code < 0xe000;
      const escaped = `\\u${code.toString(16).padStart(4, "0")}`;
      if (text[i] === "/" && this.random.below(2) === 0) out += "\\/";
      else if (surrogate || this.random.below(3) === 0) out += escaped;
      else out += JSON.stringify(text[i]).slice(1, -1);
    }
    return `${out}"`;
  }

  private messages(proseBytes: number): void {
    this.key('"messages"');
    this.put('[{"role":"user","model":"inner","content":"');
    for (const end = this.bytes + proseBytes; this.bytes < end; ) this.put(this.pick(PROSE));
    this.put('"},');
    this.value(2);
    this.put("]");
  }

  private otherMember(): void {
    const kind = this.random.below(4);
    if (kind === 0) {
      this.key('"max_tokens"');
      this.put("16");
    } else if (kind === 1) {
      this.key('"stream"');
      this.put("false");
    } else {
      this.key(kind === 2 ? this.pick(OTHER_KEYS) : '"metadata"');
      this.value(0);
    }
  }

  private value(depth: number): void {
    const kind = this.random.below(depth < 5 ? 6 : 4);
    if (kind === 0) this.put(this.pick(NUMBERS));
    else if (kind === 1) this.put(this.pick(["true", "false", "null"]));
    else if (kind < 4) this.put(this.pick(TEXTS));
    else {
      const isObject = kind === 5;
      this.put(isObject ? "{" : "[");
      const count = this.random.below(4);
      for (let i = 0; i < count; i++) {
        if (i > 0) this.put(",");
        this.space();
        if (isObject) this.key(this.random.below(3) === 0 ? '"model"' : this.pick(TEXTS));
        this.value(depth + 1);
        this.space();
      }
      this.put(isObject ? "}" : "]");
    }
  }

  private key(written: string): void {
    this.put(written);
    this.space();
    this.put(":");
    this.space();
  }

  private space(): void {
    this.put(this.pick(SPACES));
  }

  private pick<Value>(values: readonly Value[]): Value {
    return values[this.random.below(values.length)]!;
  }

  private put(text: string): void {
    this.parts.push(text);
    this.bytes += Buffer.byteLength(text);
  }
}

function shuffle<Value>(values: Value[], random: SeededRandom): void {
  for (let i = values.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [values[i], values[other]] = [values[other]!, values[i]!];
  }
}
