import { UnseenLoad } from "./unseen_load";

function withRoom(count: i32): UnseenLoad {
  const unseen = new UnseenLoad();
  unseen.reserve(count);
  return unseen;
}

describe("what others are taken to have sent since they were heard of", () => {
  it("is nothing before anybody was heard of", () => {
    const unseen = withRoom(2);
    unseen.sent(1, 100, 200);
    expect<f64>(unseen.requests(1, true)).toBe(0);
  });

  it("is what this root sent, times the share of the Envoy's other roots", () => {
    const unseen = withRoom(2);
    unseen.heardRoots(2, 6);
    unseen.sent(1, 100, 200);
    expect<f64>(unseen.requests(1, true)).toBe(3);
    expect<f64>(unseen.uncached(1, true)).toBe(300);
    expect<f64>(unseen.resident(1, true)).toBe(600);
    expect<f64>(unseen.requests(0, true)).toBe(0);
  });

  it("is nothing again once the other roots are heard of", () => {
    const unseen = withRoom(1);
    unseen.heardRoots(2, 6);
    unseen.sent(0, 100, 200);
    unseen.heardRoots(3, 6);
    expect<f64>(unseen.requests(0, true)).toBe(0);
  });

  it("of other Envoys is what was sent since the table before the last", () => {
    const unseen = withRoom(1);
    unseen.heardEnvoys(1, 2);
    unseen.sent(0, 100, 200);
    unseen.heardEnvoys(1, 2);
    expect<f64>(unseen.requests(0, true)).toBe(2);
    unseen.heardEnvoys(1, 2);
    expect<f64>(unseen.requests(0, true)).toBe(0);
  });

  it("of other Envoys is nothing once what they have is known no more, of roots it stays", () => {
    const unseen = withRoom(1);
    unseen.heardRoots(1, 3);
    unseen.heardEnvoys(1, 2);
    unseen.sent(0, 100, 200);
    expect<f64>(unseen.requests(0, true)).toBe(5);
    expect<f64>(unseen.requests(0, false)).toBe(3);
    expect<f64>(unseen.resident(0, false)).toBe(600);
  });

  it("is nothing where this root had nothing in flight, and bounded where it had little", () => {
    const unseen = withRoom(1);
    unseen.heardRoots(0, 1000);
    unseen.sent(0, 100, 200);
    expect<f64>(unseen.requests(0, true)).toBe(0);
    unseen.heardRoots(1, 1000);
    unseen.sent(0, 100, 200);
    expect<f64>(unseen.requests(0, true)).toBe(64);
  });

  it("of an account that stands for another endpoint is nothing", () => {
    const unseen = withRoom(1);
    unseen.heardRoots(1, 1);
    unseen.sent(0, 100, 200);
    unseen.clear(0);
    expect<f64>(unseen.requests(0, true)).toBe(0);
  });
});
