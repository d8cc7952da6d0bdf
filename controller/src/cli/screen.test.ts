import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Screen } from "./screen.ts";

function recorded(use: (screen: Screen) => void): readonly string[] {
  const written: string[] = [];
  use(new Screen({ write: (text) => written.push(text) }));
  return written;
}

describe("the screen", () => {
  it("moves up over the lines that it drew and erases them, in one write", () => {
    const written = recorded((screen) => {
      screen.draw(["one", "two"]);
      screen.draw(["three"]);
      screen.draw([]);
    });
    assert.deepEqual(written, ["one\ntwo\n", "\r\u001b[2A\u001b[Jthree\n", "\r\u001b[1A\u001b[J"]);
  });

  it("prints above the picture, which is drawn again below", () => {
    const written = recorded((screen) => {
      screen.draw(["table"]);
      screen.print("note");
      screen.draw(["table"]);
    });
    assert.deepEqual(written.slice(1), ["\r\u001b[1A\u001b[Jnote\n", "table\n"]);
  });

  it("begins at the top after a change of size", () => {
    const written = recorded((screen) => {
      screen.draw(["table"]);
      screen.clear();
      screen.draw(["table"]);
    });
    assert.deepEqual(written.slice(1), ["\u001b[H\u001b[2J", "table\n"]);
  });
});
