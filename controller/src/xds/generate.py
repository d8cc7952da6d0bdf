"""Writes `generated/`: TypeScript messages for the part of Envoy's v3 API that the controller speaks.

Run at development time only, the result is committed:

    python3 -m venv build/xds && build/xds/bin/pip install xds-protos==1.85.0
    npm install --no-save --prefix build/xds @bufbuild/protoc-gen-es@2.12.1
    build/xds/bin/python controller/src/xds/generate.py build/xds/node_modules/.bin/protoc-gen-es

xds-protos carries Envoy's API as descriptors inside its `_pb2` modules. The modules in WANTED and
what they import go to the plugin as one CodeGeneratorRequest, so neither protoc nor buf is needed.

Custom options (validation rules, annotations) are dropped together with the files that declare
them: nothing reads them at run time and they would be two thirds of the output.
"""

import importlib
import pathlib
import shutil
import subprocess
import sys

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

WANTED = [
    # the protocol
    "envoy.service.discovery.v3.ads_pb2",
    "envoy.service.discovery.v3.discovery_pb2",
    # the resources
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.core.v3.extension_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.route.v3.route_pb2",
    # what they hold as Any
    "envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2",
    "envoy.extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2",
    "envoy.extensions.filters.http.upstream_codec.v3.upstream_codec_pb2",
    "envoy.extensions.filters.http.wasm.v3.wasm_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.load_balancing_policies.override_host.v3.override_host_pb2",
    "envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2",
    "envoy.extensions.load_balancing_policies.subset.v3.subset_pb2",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
    "envoy.extensions.transport_sockets.tls.v3.tls_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
]

# Files that only declare custom options.
OPTION_FILES = ("validate/", "udpa/annotations/", "xds/annotations/", "envoy/annotations/")

OUT = pathlib.Path(__file__).parent / "generated"


def strip_options(message):
    """Clears extensions and unknown fields of every `options`, recursively; keeps the standard ones."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        repeated = hasattr(value, "append") or hasattr(value, "add")
        for item in value if repeated else [value]:
            if field.name == "options":
                for option, _ in item.ListFields():
                    if option.is_extension:
                        item.ClearExtension(option)
                item.DiscardUnknownFields()
            else:
                strip_options(item)


def collect(descriptor, files):
    """Adds the file and its imports, imports first, as the plugin wants them."""
    if descriptor.name in files or descriptor.name.startswith(OPTION_FILES):
        return
    for dependency in descriptor.dependencies:
        collect(dependency, files)
    proto = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(proto)
    strip_options(proto)
    kept = [name for name in proto.dependency if not name.startswith(OPTION_FILES)]
    del proto.dependency[:], proto.public_dependency[:], proto.weak_dependency[:]
    proto.dependency.extend(kept)
    files[descriptor.name] = proto


def main():
    plugin = sys.argv[1] if len(sys.argv) == 2 else sys.exit("usage: generate.py PROTOC_GEN_ES")
    files = {}
    for module in WANTED:
        collect(importlib.import_module(module).DESCRIPTOR, files)
    request = plugin_pb2.CodeGeneratorRequest(
        file_to_generate=[name for name in files if not name.startswith("google/protobuf/")],
        parameter="target=ts,import_extension=ts",
        proto_file=files.values(),
    )
    answer = subprocess.run([plugin], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(answer.stdout)
    if response.error:
        sys.exit(response.error)
    shutil.rmtree(OUT, ignore_errors=True)
    for file in response.file:
        path = OUT / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    print(f"{len(response.file)} files, {sum(len(f.content) for f in response.file)} bytes")


main()
