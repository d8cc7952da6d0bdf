/**
 * Builds and downloads what the cache lacks, one line each:
 *
 *     node --import tsx test/kubernetes/programs/build.ts [program or crds-source …]
 *
 * Without names: everything. Needs Go and, on a bare machine, a quarter of an hour of two cores.
 */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import {
  CRD_SOURCES,
  type CrdSource,
  type CrdSourceName,
  cachedFileName,
  cacheRoot,
  crdCache,
  PROGRAMS,
  PROGRAMS_FOLDER,
  type Program,
  type ProgramName,
  programCache,
  SHARED_BUILD_FLAGS,
  SHARED_LDFLAGS,
} from "./programs.ts";

interface Piece {
  readonly name: string;
  readonly entry: string;
  /** Puts everything into `folder`. */
  make(folder: string): Promise<void>;
}

function pieces(): readonly Piece[] {
  const sources = Object.keys(CRD_SOURCES) as CrdSourceName[];
  const programs = Object.keys(PROGRAMS) as ProgramName[];
  return [
    ...sources.map((name) => ({
      name: `crds-${name}`,
      entry: crdCache(name),
      make: (folder: string) => downloadCrds(CRD_SOURCES[name], folder),
    })),
    ...programs.map((name) => ({
      name,
      entry: programCache(name),
      make: (folder: string) => build(name, PROGRAMS[name], folder),
    })),
  ];
}

async function build(name: ProgramName, program: Program, folder: string): Promise<void> {
  const tags = program.tags === "" ? [] : ["-tags", program.tags];
  const ldflags = `${SHARED_LDFLAGS} ${program.ldflags}`.trim();
  const args = [
    ...SHARED_BUILD_FLAGS,
    ...tags,
    "-ldflags",
    ldflags,
    "-o",
    join(folder, name),
    program.package,
  ];
  await go(["build", ...args], join(PROGRAMS_FOLDER, program.module));
}

async function downloadCrds(source: CrdSource, folder: string): Promise<void> {
  const answer = JSON.parse(await go(["mod", "download", "-json", source.module], folder)) as {
    readonly Dir: string;
    readonly Sum: string;
  };
  if (answer.Sum !== source.sum) {
    throw new Error(`${source.module} has the checksum ${answer.Sum}, expected ${source.sum}`);
  }
  for (const file of source.files) {
    copyFileSync(join(answer.Dir, file), join(folder, cachedFileName(file)));
  }
}

/** What it prints; what goes wrong goes to the terminal. */
function go(args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("go", args, {
      cwd,
      // No flags, workspace or C compiler of the machine's: the same input gives the same program.
      env: { ...process.env, GOFLAGS: "", GOWORK: "off", CGO_ENABLED: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once("error", (error) =>
      reject(new Error(`go cannot be started (Go ≥ 1.26 is needed): ${error.message}`)),
    );
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(output);
      const cause = signal === null ? `exit code ${code}` : `signal ${constants.signals[signal]}`;
      reject(new Error(`go ${args.slice(0, 2).join(" ")} … in ${cwd}: ${cause}\n${output}`));
    });
  });
}

/** Whole or not at all: a build that is interrupted leaves nothing that looks like one, and of two at a time the first one stays. */
async function fill({ name, entry, make }: Piece): Promise<void> {
  if (existsSync(entry)) return console.log(`${name.padEnd(24)} cached        ${entry}`);
  const started = performance.now();
  mkdirSync(cacheRoot(), { recursive: true });
  const folder = mkdtempSync(join(cacheRoot(), `.${name}-`));
  try {
    await make(folder);
    renameSync(folder, entry);
  } catch (error) {
    // Another build was there first.
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY" || !existsSync(entry)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${name.padEnd(24)} made in ${String(seconds).padStart(3)} s ${entry}`);
}

const wanted = process.argv.slice(2);
const known = pieces();
const unknown = wanted.filter((name) => !known.some((piece) => piece.name === name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(", ")}; known are ${known.map(({ name }) => name).join(", ")}`);
  process.exitCode = 2;
} else {
  for (const piece of known) {
    if (wanted.length === 0 || wanted.includes(piece.name)) await fill(piece);
  }
}
