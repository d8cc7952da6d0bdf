/** What tests use of the package, which brings no types. */
declare module "parse-prometheus-text-format" {
  interface Family {
    readonly name: string;
    readonly type: string;
    readonly metrics: readonly {
      readonly value?: string;
      /** Of histograms and summaries. */
      readonly count?: string;
      readonly sum?: string;
      readonly buckets?: Readonly<Record<string, string>>;
      readonly labels?: Readonly<Record<string, string>>;
    }[];
  }
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default function parsePrometheusTextFormat(page: string): readonly Family[];
}
