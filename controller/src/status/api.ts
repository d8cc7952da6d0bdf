import type { KubernetesClient } from "../kubernetes/client.ts";
import { KubernetesError } from "../kubernetes/kubernetes-error.ts";

/** The one method of the client that writing needs. */
export type Api = Pick<KubernetesClient, "request">;

/** Arrays are replaced whole, members that are not named stay, and with a resourceVersion a stale patch gets 409. */
export const MERGE_PATCH = "application/merge-patch+json";

/** In `managedFields`, and as the reporter of Events. */
export const FIELD_MANAGER = "inference-picker";

/** The HTTP status of an error; undefined for an error of another kind. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof KubernetesError ? error.status : undefined;
}

/** For the log: what the server or the connection said; where we failed ourselves, where in the code. */
export function describe(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof KubernetesError)) return { err: error };
  const { status, reason, message } = error;
  return { status, reason, error: message };
}

/** No whole answer came. */
export const NO_ANSWER = 0;
export const NOT_FOUND = 404;
/** A stale resourceVersion, or a name that is taken. */
export const CONFLICT = 409;

/** Statuses that the same request will get again until somebody changes roles, kinds or the object. */
const LASTING = new Set([400, 403, 404, 405, 413, 415, 422]);

/** Whether trying again soon is of no use. */
export function isLasting(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && LASTING.has(status);
}

/** `metav1.MicroTime`: its decoder wants exactly six digits after the point. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.(\d{3})Z$/, ".$1000Z");
}

/** `metav1.Time`, in whole seconds. */
export function secondTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}
