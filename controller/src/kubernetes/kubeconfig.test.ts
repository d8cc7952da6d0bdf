import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Environment, type Kubeconfig, type KubeconfigSettings, readKubeconfig } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "picker-kubeconfig-"));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string): string {
  const path = join(folder, `config-${++files}`);
  writeFileSync(path, text);
  return path;
}

const TWO = `
apiVersion: v1
kind: Config
current-context: test
clusters:
- {name: one, cluster: {server: "https://one:6443/", certificate-authority: ca.pem}}
- {name: two, cluster: {server: "https://two:6443"}}
users:
- {name: ann, user: {client-certificate: ann.pem, client-key: /keys/ann.pem}}
- {name: plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login}}}
contexts:
- {name: test, context: {cluster: one, user: ann, namespace: models}}
- {name: live, context: {cluster: two, user: plugin}}
`;

/** The one cluster and user that were chosen. */
function chosen({ text }: Kubeconfig): { cluster: Record<string, unknown>; user: Record<string, unknown> } {
  const { clusters, users } = JSON.parse(text);
  return { cluster: clusters[0].cluster, user: users[0].user };
}

function read(settings: KubeconfigSettings, env: Environment = {}): Kubeconfig {
  return readKubeconfig({ serviceAccountFolder: join(folder, "none"), ...settings }, env);
}

function serviceAccount(): string {
  const account = join(folder, "account");
  mkdirSync(account, { recursive: true });
  for (const [name, text] of [
    ["token", "t"],
    ["ca.crt", "c"],
    ["namespace", "gateways\n"],
  ] as const)
    writeFileSync(join(account, name), text);
  return account;
}

describe("the kubeconfig", () => {
  it("is that of the current context, with paths from its own folder", () => {
    const found = read({ kubeconfig: file(TWO) });
    assert.equal(found.server, "https://one:6443");
    assert.equal(found.namespace, "models");
    const { cluster, user } = chosen(found);
    assert.equal(cluster["certificate-authority"], join(folder, "ca.pem"));
    assert.equal(user["client-certificate"], join(folder, "ann.pem"));
    assert.equal(user["client-key"], "/keys/ann.pem");
  });

  it("is that of the context asked for; its namespace is default unless it says one", () => {
    const found = read({ kubeconfig: file(TWO), context: "live" });
    assert.equal(found.server, "https://two:6443");
    assert.equal(found.namespace, "default");
    const { exec } = chosen(found).user as { exec: { command: string } };
    assert.equal(exec.command, join(folder, "bin/login"));
  });

  it("is merged of the files that KUBECONFIG lists: the first that has an entry wins, one may be missing", () => {
    const first = file("current-context: live\nusers: [{name: plugin, user: {token: first}}]");
    const found = read({}, { KUBECONFIG: `${join(folder, "absent")}:${first}:${file(TWO)}` });
    assert.equal(found.server, "https://two:6443");
    assert.equal(chosen(found).user.token, "first");
  });

  it("has the library read a token's file again and again", () => {
    const text = TWO.replace("exec: {", "tokenFile: token, ignored: {");
    const { user } = chosen(read({ kubeconfig: file(text), context: "live" }));
    const tokenFile = join(folder, "token");
    assert.deepEqual(user["auth-provider"], { name: "tokenFile", config: { tokenFile } });
  });

  it("is the Pod's service account where nothing else is given", () => {
    const serviceAccountFolder = serviceAccount();
    const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const found = read({ serviceAccountFolder }, env);
    assert.equal(found.server, "https://[fd00::1]:443");
    assert.equal(found.namespace, "gateways");
    assert.equal(chosen(found).cluster["certificate-authority"], join(serviceAccountFolder, "ca.crt"));
    const given = { ...env, KUBECONFIG: file(TWO) };
    assert.equal(read({ serviceAccountFolder }, given).server, "https://one:6443");
  });

  it("is that of the home folder last of all", () => {
    const home = join(folder, "home");
    mkdirSync(join(home, ".kube"), { recursive: true });
    writeFileSync(join(home, ".kube/config"), TWO);
    assert.equal(read({}, { HOME: home }).server, "https://one:6443");
  });

  it("has the server's address without a user and password, which are logged nowhere", () => {
    const text = TWO.replace("https://one:6443/", "https://ann:hunter2@one:6443/k8s/@clusters/c-1/");
    const found = read({ kubeconfig: file(text) });
    assert.equal(found.server, "https://one:6443/k8s/@clusters/c-1");
    assert.equal(chosen(found).cluster.server, found.server);
  });

  it("is refused with the place and what is wrong, and without its text", () => {
    const secret = "hunter2";
    const path = (text: string): KubeconfigSettings => ({ kubeconfig: file(text) });
    const cases: readonly (readonly [KubeconfigSettings, RegExp])[] = [
      [{ kubeconfig: join(folder, "absent") }, /absent: it cannot be read \(ENOENT\)/],
      [path(`users: [{token: ${secret}`), /config-\d+: it cannot be read/],
      [path(`- ${secret}`), /it is no YAML mapping/],
      [path("{}"), /current-context is not set/],
      [{ ...path(TWO), context: "lost" }, /context "lost" is not in it; there are: test, live/],
      [
        path(TWO.replace("cluster: one,", "cluster: three,")),
        /cluster "three" is not in it; there are: one, two/,
      ],
      [path(TWO.replace('"https://one:6443/"', "one:6443")), /server "one:6443" is no address/],
      [
        path(TWO.replace("https://one", `ftp://ann:${secret}@one`)),
        /server "ftp:\/\/one:6443" is no address/,
      ],
      [path(TWO.replace("https://one", `https://ann:${secret}/@one`)), /server "https:\/\/one:6443" is no/],
      [
        path(TWO.replace("certificate-authority:", `proxy-url: "socks5://ann:${secret}@p:1", x:`)),
        /"socks5:\/\/p:1": only http/,
      ],
      [
        path(TWO.replace("certificate-authority:", `proxy-url: "SOCKS5://ann:${secret}@p:1", x:`)),
        /"SOCKS5:\/\/p:1": only http/,
      ],
      [{}, /no Kubernetes API server is configured/],
    ];
    for (const [settings, message] of cases) {
      assert.throws(
        () => read(settings),
        (error: Error) => message.test(error.message) && !error.message.includes(secret),
        String(message),
      );
    }
  });
});
