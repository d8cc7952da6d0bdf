/** The part of the JavaScript API of WebAssembly that is used here; Node's types leave it to the DOM's. */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: "WebAssembly.Module";
  }
  interface ModuleImport {
    readonly module: string;
    readonly name: string;
    readonly kind: string;
  }
  var Module: {
    new (bytes: Uint8Array): Module;
    imports(module: Module): ModuleImport[];
    exports(module: Module): { readonly name: string; readonly kind: string }[];
  };

  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  var Instance: {
    new (module: Module, imports?: Record<string, Record<string, ImportValue>>): Instance;
  };
  type ImportValue = (...args: never[]) => unknown;

  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  var Memory: { new (descriptor: { initial: number; maximum?: number }): Memory };

  interface RuntimeError extends Error {
    readonly name: "RuntimeError";
  }
  var RuntimeError: { new (message?: string): RuntimeError };
}
