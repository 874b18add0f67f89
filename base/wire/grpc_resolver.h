// gRPC resolves names as the rest of the machine does: by getaddrinfo(3), which asks /etc/hosts,
// DNS and whatever else nsswitch.conf names, in its order. By itself gRPC uses c-ares, which asks
// DNS first. With a DNS server that is silent it never connects to a name in /etc/hosts.
//
//   UsePlatformResolver();   // before gRPC is used
//
// Every program that links credentials (base/wire/grpc_credentials.h) does so before main(). If
// GRPC_DNS_RESOLVER is set, it is used.
//
// Errors: none.
//
// Thread safety: no other thread may read or change the environment.
#pragma once

namespace entropyd {

// Sets GRPC_DNS_RESOLVER, which gRPC reads once, unless it is set. Returns whether it could.
bool UsePlatformResolver();

}  // namespace entropyd
