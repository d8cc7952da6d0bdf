import type { ParseContext } from "./pools-parse.ts";
import { type ParsedRoute, ROUTES_FILE } from "./pools-schema.ts";
import { type RoutedPool, toRoutes } from "./route-spec.ts";
import { routeCounts } from "./table-limits.ts";
import { invalid, readDocument } from "./yaml-document.ts";

/**
 * The routes of a pools file that has nothing else; the pools that they name come from another source.
 * @throws PickerError as `parsePools`
 */
export function parseRoutes(source: string, { path }: Pick<ParseContext, "path">): readonly ParsedRoute[] {
  const { value, problems, found } = readDocument(source, {
    schema: ROUTES_FILE,
    path,
    secretsIn: "a file or a variable",
  });
  const routes = value === undefined ? [] : toRoutes(value.routes, poolsNamed(value.routes), problems);
  for (const { what, count, bound } of routeCounts(routes)) {
    if (count <= bound) continue;
    problems.add("CONFIG_RANGE", ["routes"], `${count} ${what} is above ${bound}`, { value: count, bound });
  }
  if (value === undefined || found.length > 0) throw invalid(found);
  return value.routes;
}

/** All that the routes name, as if it were there: a name alone may be of any namespace. */
function poolsNamed(routes: readonly ParsedRoute[]): readonly RoutedPool[] {
  return routes.flatMap(({ pools }) =>
    pools.map((entry) => {
      const pool = typeof entry === "string" ? entry : entry.pool;
      const slash = pool.indexOf("/");
      const [namespace, name] = slash < 0 ? ["default", pool] : [pool.slice(0, slash), pool.slice(slash + 1)];
      return { namespace, name, readBody: "auto" };
    }),
  );
}
