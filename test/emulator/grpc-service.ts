/** What of an `envoy.config.core.v3.GrpcService` message matters to a dial. */
export interface GrpcTarget {
  readonly cluster: string;
  /** `:authority`; the cluster's name if the message gives none. */
  readonly authority: string;
}

interface Field {
  readonly number: number;
  readonly wire: number;
  readonly bytes: Uint8Array;
}

function fieldsOf(message: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < message.length) {
    const tag = varint();
    if (tag === undefined) return undefined;
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0 || number >= 2 ** 29) return undefined;
    const from = at;
    let size: number | undefined;
    if (wire === 0) {
      if (varint() === undefined) return undefined;
      fields.push({ number, wire, bytes: message.subarray(from, at) });
      continue;
    }
    if (wire === 1) size = 8;
    else if (wire === 5) size = 4;
    else if (wire === 2) size = varint();
    if (size === undefined || at + size > message.length) return undefined;
    fields.push({ number, wire, bytes: message.subarray(at, at + size) });
    at += size;
  }
  return fields;
}

function textField(fields: readonly Field[], number: number): string {
  const field = fields.findLast((other) => other.number === number && other.wire === 2);
  return field === undefined ? "" : Buffer.from(field.bytes).toString("utf8");
}

/**
 * Reads the service argument of `proxy_grpc_stream`: "unparsable" if it is no protobuf message (Envoy
 * then takes it for a cluster's name), undefined if it is one but names no `envoy_grpc` cluster.
 */
export function parseGrpcService(service: Uint8Array): GrpcTarget | undefined | "unparsable" {
  const fields = fieldsOf(service);
  if (fields === undefined) return "unparsable";
  const envoyGrpc = fields.findLast((field) => field.number === 1 && field.wire === 2);
  if (envoyGrpc === undefined) return undefined;
  const inner = fieldsOf(envoyGrpc.bytes);
  if (inner === undefined) return "unparsable";
  const cluster = textField(inner, 1);
  if (cluster === "") return undefined;
  const authority = textField(inner, 2);
  return { cluster, authority: authority === "" ? cluster : authority };
}

/** The message for a cluster, for tests of the parser and of hosts. */
export function encodeGrpcService(cluster: string, authority = ""): Uint8Array {
  const text = (number: number, value: Uint8Array): Uint8Array => {
    const length: number[] = [];
    let rest = value.length;
    while (rest >= 0x80) {
      length.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    length.push(rest);
    return Uint8Array.of((number << 3) | 2, ...length, ...value);
  };
  const inner = [
    text(1, Buffer.from(cluster)),
    ...(authority === "" ? [] : [text(2, Buffer.from(authority))]),
  ];
  return text(1, Buffer.concat(inner));
}
