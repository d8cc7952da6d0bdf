/** How as-pect finds, compiles and runs the specs of `assembly/`; `test/as-pect.ts` starts it and counts. */
export default {
  entries: ["assembly/**/*.spec.ts"],
  include: ["assembly/**/*.include.ts"],
  disclude: [/node_modules/],
  async instantiate(memory, createImports, instantiate, binary) {
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
