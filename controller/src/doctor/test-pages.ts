import { type Page, PageUnreachable, type ReadPage } from "./page.ts";

/** Pages by path; a number is a status without a body. What is not there refuses the connection. */
export function pagesOf(pages: Readonly<Record<string, string | number | object>>): ReadPage {
  return async (url): Promise<Page> => {
    const page = pages[new URL(url).pathname];
    if (page === undefined) throw new PageUnreachable("connection refused");
    if (typeof page === "number") return { status: page, body: "" };
    return { status: 200, body: typeof page === "string" ? page : JSON.stringify(page) };
  };
}

/** What `/table` of a controller in good order has, but for what is given. */
export function tablePage(more: object = {}) {
  return {
    problem: null,
    findings: [],
    epoch: "7",
    sequence: "100",
    pools: [tablePool()],
    envoys: [tableEnvoy()],
    ...more,
  };
}

export function tablePool(more: object = {}) {
  return {
    name: "default/chat",
    profile: "epp",
    missingTerms: [],
    clusters: ["default/chat"],
    endpoints: [tableEndpoint("a"), tableEndpoint("b")],
    ...more,
  };
}

export function tableEndpoint(name: string, state = "fresh") {
  return { name, address: "10.0.0.1:8000", state };
}

export function tableEnvoy(more: object = {}) {
  return { node: "gateway", epoch: "7", sequence: "98", generation: "1", tablesRefused: 0, ...more };
}
