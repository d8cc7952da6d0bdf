import { CHART_STYLE } from "./svg-chart.ts";

/** Light and dark by the reader's own setting; readable on paper and on a telephone. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1d2329;--faint:#5a646d;--paper:#fff;--edge:#d9dee2;--shade:#f4f6f7}
@media (prefers-color-scheme:dark){:root{--ink:#e7ebee;--faint:#a3aeb7;--paper:#171b1f;--edge:#3a434b;--shade:#1f252a}}
body{margin:0 auto;padding:1.5rem 1.25rem 3rem;max-width:94rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1.15rem;margin:2.25rem 0 .5rem}
h3{font-size:.95rem;margin:0 0 .25rem}
p{margin:.4rem 0;max-width:52rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem 1rem;margin:.75rem 0}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
.lead{font-size:1.1rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:.5rem 0 .75rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1.25rem}
figure{margin:0;min-width:0}
.chart{display:block;width:100%;height:auto}
.legend .chart{width:26px;flex:none}
.heat{width:100%;height:9rem;image-rendering:pixelated;display:block;border:1px solid var(--edge);box-sizing:border-box}
.times{display:flex;justify-content:space-between;color:var(--faint);font-size:.8rem}
.key{display:flex;align-items:center;gap:.5rem;color:var(--faint);font-size:.85rem;margin:.5rem 0}
.ramp{width:10rem;height:.7rem;border:1px solid var(--edge)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--edge)}
th{color:var(--faint);font-weight:600}
th:first-child,td:first-child{text-align:left}
tbody th{color:var(--ink);font-weight:400}
pre{background:var(--shade);border:1px solid var(--edge);border-radius:4px;padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
summary{cursor:pointer;margin:.5rem 0}
${CHART_STYLE}`;
