import { isIP, isIPv4 } from "node:net";
import { type Checked, checked, show } from "./checked.ts";
import { canonicalIp } from "./resolve.ts";

export interface HostPort {
  /** IP literal without brackets, in canonical spelling, or a DNS name in lower case. */
  readonly host: string;
  readonly port: number;
}

const BRACKETED = /^\[([^\]]+)\]:(\d{1,6})$/;
const PLAIN = /^([^:[\]]+):(\d{1,6})$/;
/** RFC 1123 labels; the underscore occurs in service names of compose files. */
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/;

/** `10.0.0.1:8000`, `[fd00::1]:8000` or `name:8000`. */
export function hostPort(): Checked<HostPort> {
  return checked<HostPort>((input) => {
    const form = "is not host:port, with an IPv6 address in brackets";
    if (typeof input !== "string") return { refused: `${show(input)} ${form}` };
    const bracketed = BRACKETED.exec(input);
    const match = bracketed ?? PLAIN.exec(input);
    if (match === null) return { refused: `${show(input)} ${form}` };
    const port = Number(match[2]);
    if (port < 1) return { refused: `port ${port} is below 1`, bound: "1" };
    if (port > 65535) return { refused: `port ${port} is above 65535`, bound: "65535" };
    const written = match[1]!.toLowerCase();
    const literal = canonicalIp(written);
    if (bracketed !== null) {
      return literal === undefined || isIPv4(literal)
        ? { refused: `${show(input)} holds no IPv6 address between the brackets` }
        : { host: literal, port };
    }
    if (literal !== undefined) return { host: literal, port };
    // Digits and dots only: a mistyped IPv4 address, which no resolver would find.
    if (isIP(written) !== 0 || /^[\d.]+$/.test(written) || !DNS_NAME.test(written)) {
      return { refused: `${show(match[1])} is neither an IP address nor a DNS name` };
    }
    return { host: written, port };
  });
}
