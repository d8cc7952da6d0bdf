// A worker thread does not inherit what `--import tsx` registered: it is registered here, then the worker is loaded.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
