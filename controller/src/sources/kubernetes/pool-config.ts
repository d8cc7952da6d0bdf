import * as v from "valibot";
import { text, withheld } from "../checked.ts";
import { falseOr, mapping, SHARED_ENTRIES } from "../pools-schema.ts";

/** Names as the API server has them; whatever else stands here may be a secret, and is not shown. */
const NAME = { pattern: /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, is: "the name of a Secret" };
const KEY = { pattern: /^[-._a-zA-Z0-9]+$/, is: "a key of a Secret" };

/** A Secret of the pool's own namespace: nobody reads another's through a pool. */
const secretReference = mapping({ name: text(253, NAME, withheld), key: text(253, KEY, withheld) });

/** No file: who writes the annotation may have neither the controller's read nor Envoy's. */
const tls = mapping(SHARED_ENTRIES.tls);

const config = mapping({
  ...SHARED_ENTRIES.pool,
  tls: v.optional(tls),
  apiKeySecret: v.optional(secretReference),
  scrape: v.optional(
    falseOr(
      mapping({
        ...SHARED_ENTRIES.scrape,
        tls: v.optional(tls),
        tokenSecret: v.optional(secretReference),
      }),
    ),
    {},
  ),
});

/** The annotation's text, the empty one included; unknown keys are errors. */
export const POOL_CONFIG = v.pipe(
  v.unknown(),
  v.transform((raw) => raw ?? {}),
  config,
);
