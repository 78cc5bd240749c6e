# The gRPC clients that the xDS library is tested under, each built from its folder in xds/tests/clients/peers; that for Go is among the Go programs, that for Python comes in a wheel.
# To raise a version, change it in the folder.
# Sourced by install.sh; not run by itself.

clients="$here/../../xds/tests/clients/peers"

# client_recipe CLIENT: sets the folder of the cache that a client goes to, and the function that makes it there.
client_recipe() {
  client_folder="$clients/${1#grpc-}"
  home="$1-$(cd "$client_folder" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)"
  make="make_${1//-/_}"
}

# begin_client CLIENT: copies its sources into the work folder, where its tool may write.
begin_client() {
  say "building $1 (log: $logs/$1.log)"
  mkdir -p "$work/$home"
  cp -R "$client_folder" "$work/$1"
}

# launch CLIENT COMMAND: writes the program that starts the client; in the command, $folder is where it is installed.
launch() {
  printf '#!/bin/sh\nfolder="$(dirname "$(readlink -f "$0")")"\nexec %s "$@"\n' "$2" >"$work/$home/$1"
  chmod 755 "$work/$home/$1"
}

make_grpc_java() {
  command -v javac >/dev/null || need_package default-jdk-headless
  command -v mvn >/dev/null || need_package maven
  begin_client grpc-java
  logged grpc-java mvn -B -f "$work/grpc-java/pom.xml" package dependency:copy-dependencies -DincludeScope=runtime
  cp "$work/grpc-java/target"/*.jar "$work/grpc-java/target/dependency"/*.jar "$work/$home"
  launch grpc-java 'java -cp "$folder/*" Client'
}

make_grpc_node() {
  command -v npm >/dev/null || need_package npm
  begin_client grpc-node
  logged grpc-node npm install --prefix "$work/grpc-node" --no-audit --no-fund --ignore-scripts
  cp -R "$work/grpc-node/client.js" "$work/grpc-node/node_modules" "$work/$home"
  launch grpc-node 'node "$folder/client.js"'
}

make_grpc_rust() {
  begin_client grpc-rust
  logged grpc-rust cargo build --locked --manifest-path "$work/grpc-rust/Cargo.toml" --target-dir "$work/target"
  cp "$work/target/debug/client" "$work/$home/grpc-rust"
}
